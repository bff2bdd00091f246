import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { KubernetesObject } from '@binnacle/apimachinery'
import { type Pod, type PodSpec, pods } from '@binnacle/resources'
import { FakeCluster } from '@binnacle/testing'
import { CriClient } from '../cri/cri-client.ts'
import { PrivateContainerd } from '../cri/private-containerd.ts'
import { imageArchive } from '../images/image-archive.ts'
import { pauseImage } from '../images/pause-image.ts'
import type { Log } from '../log.ts'
import { type NodeSignals, readSignals } from './eviction.ts'
import { Kubelet } from './kubelet.ts'
import { newestOf } from './observed-pod.ts'

const hasProgram = (name: string): boolean => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0

/** Whether containers can be run here; tests that need them are skipped, by name, where they cannot. */
export const canRunContainers =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  ['containerd', 'runc', 'ctr', 'busybox'].every(hasProgram) &&
  existsSync('/usr/lib/cni/ptp')

/** The image of the pods of tests. */
export const busyboxImage = 'binnacle.dev/busybox:1'

/** A node of its own with a containerd of its own, against a cluster in memory. */
export class KubeletBench {
  readonly cluster = new FakeCluster({ clock: { nowMs: () => Date.now() } })
  readonly directory = mkdtempSync(path.join(tmpdir(), 'bnk-'))
  readonly nodeName = path.basename(this.directory).toLowerCase()
  readonly containerd = new PrivateContainerd(path.join(this.directory, 'c'))
  readonly cri = new CriClient(this.containerd.paths.socket)
  readonly problems: string[] = []
  /** What the node is to take for what it has left, instead of what it has. */
  signals: Partial<NodeSignals> = {}
  kubelet!: Kubelet

  async start(): Promise<void> {
    await this.containerd.start()
    const subnet = `10.${200 + (process.pid % 50)}.${process.pid % 250}.0/24`
    writeFileSync(
      path.join(this.containerd.paths.cniConfDir, '10-pods.conflist'),
      JSON.stringify({
        cniVersion: '0.4.0',
        name: this.nodeName,
        plugins: [
          {
            type: 'ptp',
            ipMasq: false,
            ipam: {
              type: 'host-local',
              dataDir: this.containerd.paths.ipamDir,
              ranges: [[{ subnet }]],
              routes: [{ dst: '0.0.0.0/0' }],
            },
          },
        ],
      }),
    )
    const file = (target: string) => ({ path: target, mode: 0o777, content: { linkTo: '/bin/busybox' } })
    const applets = [
      'sh',
      'sleep',
      'cat',
      'id',
      'echo',
      'nc',
      'httpd',
      'hostname',
      'stat',
      'ls',
      'touch',
      'grep',
      'kill',
      'head',
      'tail',
    ]
    await this.containerd.importImage(
      imageArchive({
        reference: busyboxImage,
        files: [
          { path: 'bin', mode: 0o755, content: 'directory' },
          { path: 'tmp', mode: 0o777, content: 'directory' },
          { path: 'bin/busybox', mode: 0o755, content: { data: readFileSync(programPath('busybox')) } },
          ...applets.map((name) => file(`bin/${name}`)),
        ],
        config: { Entrypoint: [], Cmd: ['/bin/sh'], Env: ['PATH=/bin'] },
      }),
    )
    await this.startKubelet()
  }

  /** Starts a kubelet, as after the process of the one before was killed. */
  async startKubelet(): Promise<void> {
    const log: Log = (level, message, fields) =>
      void this.problems.push(`${level} ${message} ${JSON.stringify(fields)}`)
    this.kubelet = new Kubelet({
      client: this.cluster,
      cri: this.cri,
      eventsSocket: this.containerd.paths.socket,
      node: {
        name: this.nodeName,
        address: '127.0.0.1',
        podsMax: 110,
        agentPort: 10250,
        dataDirectory: this.directory,
      },
      network: {
        nodeName: this.nodeName,
        hostIP: '127.0.0.1',
        clusterDNS: ['10.96.0.10'],
        clusterDomain: 'cluster.local',
      },
      sandboxImage: pauseImage,
      signals: () => ({ ...readSignals(this.directory), ...this.signals }),
      log,
      requestToken: async ({ serviceAccount }) => ({
        token: `token-of-${serviceAccount}`,
        expiresAtMs: Date.now() + 3_600_000,
      }),
    })
    await this.kubelet.start()
  }

  /** Ends everything and removes it. */
  async remove(): Promise<void> {
    await this.kubelet?.stop()
    await this.kubelet?.removeAllPods()
    this.cri.close()
    await this.containerd.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Binds a pod to the node as the scheduler would have. */
  async run(name: string, spec: Partial<PodSpec>, metadata: Partial<KubernetesObject['metadata']> = {}): Promise<Pod> {
    return await this.cluster.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', ...metadata },
      spec: {
        nodeName: this.nodeName,
        containers: [],
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 1,
        serviceAccountName: 'default',
        ...spec,
      },
      status: { phase: 'Pending' },
    } as Pod)
  }

  async pod(name: string): Promise<Pod | undefined> {
    return await this.cluster.get(pods, { namespace: 'default', name }).catch(() => undefined)
  }

  /** Waits until the pod is as wanted, for a minute at most. @throws Error with the pod as it is then. */
  async until(name: string, isWanted: (pod: Pod | undefined) => unknown): Promise<Pod> {
    for (let i = 0; i < 1200; i++) {
      const pod = await this.pod(name)
      if (isWanted(pod)) return pod as Pod
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${JSON.stringify((await this.pod(name))?.status, null, 1)}\n${this.problems.join('\n')}`)
  }

  /** What a container has written, without times. */
  async log(name: string, container = 'main'): Promise<string> {
    const uid = (await this.pod(name))?.metadata.uid ?? ''
    const { logPath = '' } = newestOf(this.kubelet.observed(uid), container) ?? {}
    return readFileSync(logPath, 'utf8').replaceAll(/^\S+ std(?:out|err) [FP] /gm, '')
  }

  /** What is left on the machine of this node's pods: mounts, control groups, namespaces of networks. */
  leftovers(): string[] {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${this.directory}/pods`))
    const groups = execFileSync(
      'find',
      ['/sys/fs/cgroup', '-maxdepth', '4', '-name', 'pod*', '-path', `*${this.nodeName}*`],
      { encoding: 'utf8' },
    )
    return [...mounts, ...groups.split('\n').filter((line) => line !== '')]
  }
}

function programPath(name: string): string {
  return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
}

/** A container of the tests' image that runs a shell script. */
export function script(text: string, more: Record<string, unknown> = {}): PodSpec['containers'][number] {
  return {
    name: 'main',
    image: busyboxImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c', text],
    ...more,
  }
}
