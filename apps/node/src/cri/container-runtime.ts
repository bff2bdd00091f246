import { existsSync } from 'node:fs'
import path from 'node:path'
import { pauseImage, pauseImageArchive } from '../images/pause-image.ts'
import { nodeNameLabel } from '../kubelet/runtime-view.ts'
import type { Log } from '../log.ts'
import { CriClient } from './cri-client.ts'
import { importImage, PrivateContainerd } from './private-containerd.ts'

/** The container runtime that a node uses. */
export interface ContainerRuntime {
  readonly cri: CriClient
  readonly socket: string
  /** containerd's own events are on the socket, too. */
  readonly hasEvents: boolean
  /** Where it looks for the configuration of pods' network, and where that notes addresses. */
  readonly cniConfDir: string
  readonly ipamDir: string
  /** What it makes sandboxes of. */
  readonly sandboxImage: string
  /** Uses it no more. With `isEnded` a containerd of the agent's own ends; containers do not by this. */
  close(isEnded: boolean): Promise<void>
}

/** What is needed to get one. */
export interface RuntimeWish {
  /** The socket of the runtime to use; undefined: one that is found on the machine and free, or else one of the agent's own. */
  readonly criSocket: string | undefined
  readonly nodeName: string
  /** Where a containerd of the agent's own is kept. Absolute. */
  readonly directory: string
  readonly log: Log
}

/** Where the machine's own containerd is looked for (kubeadm `defaultKnownCRISockets`). */
const knownSockets = ['/run/containerd/containerd.sock']

/** Gets a container runtime. @throws Error when the one that was asked for cannot be used, or its own does not start */
export async function openContainerRuntime(wish: RuntimeWish): Promise<ContainerRuntime> {
  const { criSocket, directory, log } = wish
  if (criSocket !== undefined) return await openFound(criSocket, wish)
  for (const socket of knownSockets.filter((file) => existsSync(file))) {
    try {
      const found = await openFound(socket, wish)
      log('info', 'a container runtime of the machine is used', { socket })
      return found
    } catch (error) {
      log('info', 'a container runtime of the machine is left alone', { socket, reason: (error as Error).message })
    }
  }
  return await openPrivate(directory, log)
}

async function openPrivate(directory: string, log: Log): Promise<ContainerRuntime> {
  const containerd = new PrivateContainerd(path.join(directory, 'containerd'))
  await containerd.start()
  containerd.keep(() => log('warn', 'containerd ended and is started again'))
  const { socket, cniConfDir, ipamDir } = containerd.paths
  const cri = new CriClient(socket)
  return {
    ...{ cri, socket, cniConfDir, ipamDir, sandboxImage: pauseImage, hasEvents: true },
    async close(isEnded) {
      cri.close()
      if (isEnded) await containerd.stop()
      else containerd.leave()
    },
  }
}

async function openFound(socket: string, { directory, nodeName }: RuntimeWish): Promise<ContainerRuntime> {
  const cri = new CriClient(socket)
  try {
    const { runtimeName } = await cri.version()
    const isContainerd = runtimeName === 'containerd'
    const { cniConfDir, sandboxImage } = settingsOf(await cri.configuration())
    await checkFree(cri, nodeName)
    if (isContainerd && (await cri.imageStatus(sandboxImage)) === undefined)
      await importImage(socket, pauseImageArchive(sandboxImage), directory)
    return {
      ...{ cri, socket, cniConfDir, sandboxImage, hasEvents: isContainerd, ipamDir: path.join(directory, 'ipam') },
      close: async () => cri.close(),
    }
  } catch (error) {
    cri.close()
    throw error
  }
}

interface RuntimeSettings {
  readonly cniConfDir: string
  readonly sandboxImage: string
}

/** Reads what containerd tells of its settings. CRI-O tells nothing of the kind: then they are the usual ones. */
function settingsOf(text: string | undefined): RuntimeSettings {
  const config = text === undefined ? {} : (JSON.parse(text) as any)
  const runtimes = Object.values(config.containerd?.runtimes ?? {}) as any[]
  if (config.systemdCgroup === true || runtimes.some(({ options }) => options?.SystemdCgroup === true))
    throw new Error('it has systemd make the control groups')
  const plugins = config.cni?.binDir
  if (typeof plugins === 'string' && !existsSync(path.join(plugins, 'ptp')))
    throw new Error(`its folder of network plugins, ${plugins}, has no ptp`)
  return { cniConfDir: config.cni?.confDir || '/etc/cni/net.d', sandboxImage: config.sandboxImage ?? '' }
}

/** Another kubelet's pods would be taken for left over, and ended. */
async function checkFree(cri: CriClient, nodeName: string): Promise<void> {
  const foreign = (await cri.listPodSandboxes()).find(({ labels }) => labels[nodeNameLabel] !== nodeName)
  if (foreign !== undefined) throw new Error("another node agent's pods run in it")
}
