import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Container, qosClass, type Secret } from '@binnacle/resources'
import type { PodSandboxConfig, RuntimeImage } from '../cri/messages.ts'
import { ImageError } from '../images/image-puller.ts'
import { type MountedVolume, type VolumeSources } from '../volumes/pod-volumes.ts'
import { containerResources } from './cgroups.ts'
import { containerConfig } from './container-config.ts'
import { ConfigError, environmentOf, type FieldFacts, serviceVariables } from './environment.ts'
import { hostsFile } from './hosts-file.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { runHook } from './lifecycle.ts'
import type { ObservedPod, ObservedSandbox } from './observed-pod.ts'
import { newestOf } from './observed-pod.ts'
import type { Start } from './plan.ts'
import type { Pod } from './pod.ts'
import type { Problem } from './pod-status.ts'
import { domainOf, hostnameOf } from './sandbox-config.ts'

/** What containers of a pod are started in. */
export interface StartPlace {
  readonly sandbox: ObservedSandbox
  readonly config: PodSandboxConfig
  readonly volumes: ReadonlyMap<string, MountedVolume>
  readonly sources: VolumeSources
  readonly facts: FieldFacts
  readonly pullSecrets: readonly Secret[]
  readonly observed: ObservedPod
}

/** How long a hook after the start may take: kubelet has no bound, the runtime's calls have. */
const hookSecondsMax = 3600

/** Starts containers: image, configuration, creation, start, hook (kubelet `startContainer`). */
export class ContainerStarter {
  readonly #context: KubeletContext

  constructor(context: KubeletContext) {
    this.#context = context
  }

  /** Starts one. Returns why it could not be, as the container's reason of waiting. */
  async start(pod: Pod, start: Start, place: StartPlace): Promise<Problem | undefined> {
    const { container } = start
    const tell = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      this.#context.tell(pod, type, reason, message, container.name)
    const fail = (reason: string, message: string): Problem => {
      tell('Warning', 'Failed', `Error: ${message}`)
      return { reason, message }
    }
    let image: RuntimeImage
    try {
      image = await this.#image(pod, container, place, tell)
    } catch (error) {
      if (!(error instanceof ImageError)) throw error
      if (error.reason !== 'ErrImagePull') tell('Warning', 'Failed', `Error: ${error.reason}`)
      return { reason: error.reason, message: error.message }
    }
    let id: string
    try {
      const config = await this.#config(pod, start, image, place)
      mkdirSync(path.dirname(path.join(place.config.logDirectory, config.logPath)), { recursive: true, mode: 0o755 })
      id = await this.#context.cri.createContainer(place.sandbox.id, config, place.config)
    } catch (error) {
      const reason = error instanceof ConfigError ? 'CreateContainerConfigError' : 'CreateContainerError'
      return fail(reason, error instanceof Error ? error.message : String(error))
    }
    tell('Normal', 'Created', `Created container: ${container.name}`)
    try {
      await this.#context.cri.startContainer(id)
    } catch (error) {
      return fail('RunContainerError', error instanceof Error ? error.message : String(error))
    }
    tell('Normal', 'Started', `Started container ${container.name}`)
    return await this.#postStart(pod, container, id)
  }

  async #image(
    pod: Pod,
    container: Container,
    { config, pullSecrets }: StartPlace,
    tell: (type: 'Normal' | 'Warning', reason: string, message: string) => void,
  ): Promise<RuntimeImage> {
    const wish = {
      image: container.image ?? '',
      pullPolicy: container.imagePullPolicy ?? 'IfNotPresent',
      podUID: pod.metadata.uid ?? '',
      pullSecrets,
      sandboxConfig: config,
    }
    return await this.#context.puller.ensure(wish, tell)
  }

  async #config(pod: Pod, { container, attempt }: Start, image: RuntimeImage, place: StartPlace) {
    const context = this.#context
    const directory = context.volumes.podDirectory(pod.metadata.uid ?? '')
    const services = serviceVariables(pod, context.services())
    const environment = await environmentOf(pod, container, services, place.sources, place.facts)
    const ephemeral = pod.spec.ephemeralContainers?.find(({ name }) => name === container.name)
    const target = ephemeral?.targetContainerName
    return containerConfig(pod, container, {
      attempt,
      imageRef: image.id,
      image,
      environment,
      volumes: place.volumes,
      resources: containerResources(container.resources ?? {}, qosClass(pod), context.memoryCapacity),
      hostsFile: this.#hosts(pod, directory, place),
      terminationFile: terminationFile(directory, container.name, attempt),
      seccompRoot: context.seccompRoot,
      targetId: target === undefined ? undefined : newestOf(place.observed, target)?.id,
    })
  }

  #hosts(pod: Pod, directory: string, { sandbox }: StartPlace): string {
    const { clusterDomain } = this.#context.network
    const domain = domainOf(pod, clusterDomain)
    const file = path.join(directory, 'etc-hosts')
    writeFileSync(file, hostsFile(pod, sandbox.ips, hostnameOf(pod), domain), { mode: 0o644 })
    return file
  }

  async #postStart(pod: Pod, container: Container, containerId: string): Promise<Problem | undefined> {
    const hook = container.lifecycle?.postStart
    if (hook === undefined) return undefined
    const { cri, view } = this.#context
    const podIP = view.get(pod.metadata.uid ?? '').sandboxes[0]?.ips[0] ?? this.#context.network.hostIP
    const { isSuccess } = await runHook(hook, { cri, container, containerId, podIP }, hookSecondsMax)
    if (isSuccess) return undefined
    this.#context.tell(pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', container.name)
    this.#context.tell(pod, 'Normal', 'Killing', 'FailedPostStartHook', container.name)
    await cri.stopContainer(containerId, pod.spec.terminationGracePeriodSeconds ?? 30)
    return { reason: 'PostStartHookError', message: 'PostStartHook failed' }
  }
}

// Whoever the container runs as writes to it.
function terminationFile(podDirectory: string, name: string, attempt: number): string {
  const directory = path.join(podDirectory, 'containers', name)
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const file = path.join(directory, String(attempt))
  writeFileSync(file, '')
  chmodSync(file, 0o666)
  return file
}
