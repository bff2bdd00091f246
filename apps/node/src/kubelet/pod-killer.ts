import type { Container } from '@binnacle/resources'
import { isCriNotFound } from '../cri/cri-client.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { runHook } from './lifecycle.ts'
import type { ObservedContainer, ObservedPod } from './observed-pod.ts'
import { containersOf, isSidecar, type Pod } from './pod.ts'

/** What a container is given at least after its hook (kubelet `minimumGracePeriodInSeconds`). */
const graceSecondsMin = 2
const graceSecondsDefault = 30

/** How long the pod's containers have to end. */
export function graceSecondsOf({ metadata, spec }: Pod): number {
  return metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? graceSecondsDefault
}

/** Ends containers of one pod, with their hooks and the time that they have. */
export class PodKiller {
  readonly #context: KubeletContext
  readonly #killing = new Set<string>()

  constructor(context: KubeletContext) {
    this.#context = context
  }

  /** Ends one container. Resolves once it has ended. */
  async killContainer(pod: Pod, target: ObservedContainer, graceSeconds: number, message: string): Promise<void> {
    const { cri } = this.#context
    const container = containersOf(pod).find(({ name }) => name === target.name)
    this.#context.tell(pod, 'Normal', 'Killing', message, target.name)
    this.#killing.add(target.id)
    try {
      const usedSeconds = container === undefined ? 0 : await this.#preStop(pod, container, target, graceSeconds)
      const leftSeconds = graceSeconds === 0 ? 0 : Math.max(graceSecondsMin, graceSeconds - usedSeconds)
      await cri.stopContainer(target.id, leftSeconds)
    } catch (error) {
      if (!isCriNotFound(error)) throw error
    } finally {
      this.#killing.delete(target.id)
    }
  }

  /** The pod has less time now: what is being ended already is ended sooner. */
  async hasten(graceSeconds: number): Promise<void> {
    await Promise.allSettled([...this.#killing].map((id) => this.#context.cri.stopContainer(id, graceSeconds)))
  }

  /** Ends everything of the pod: app containers together, then sidecars from the last to the first, then the sandboxes. */
  async killPod(pod: Pod, observed: ObservedPod, graceSeconds: number): Promise<void> {
    const startedMs = this.#context.nowMs()
    const running = observed.containers.filter(({ state }) => state === 'running')
    const sidecars = (pod.spec.initContainers ?? []).filter((container) => isSidecar(pod, container))
    const isOfSidecar = ({ name }: ObservedContainer): boolean => sidecars.some((container) => container.name === name)
    const kill = (target: ObservedContainer, seconds: number): Promise<void> =>
      this.killContainer(pod, target, seconds, `Stopping container ${target.name}`)
    await Promise.all(running.filter((c) => !isOfSidecar(c)).map((c) => kill(c, graceSeconds)))
    for (const { name } of sidecars.toReversed()) {
      const leftSeconds = Math.max(0, graceSeconds - Math.floor((this.#context.nowMs() - startedMs) / 1000))
      for (const target of running.filter((c) => c.name === name)) await kill(target, leftSeconds)
    }
    for (const { id } of observed.sandboxes) await this.#context.cri.stopPodSandbox(id)
  }

  /** Removes what is left in the runtime of a pod that has ended. */
  async removePod(observed: ObservedPod): Promise<void> {
    const { cri } = this.#context
    for (const { id } of observed.containers) await unlessGone(cri.removeContainer(id))
    for (const { id } of observed.sandboxes) await unlessGone(cri.removePodSandbox(id))
  }

  async #preStop(pod: Pod, container: Container, { id }: ObservedContainer, graceSeconds: number): Promise<number> {
    const hook = container.lifecycle?.preStop
    if (hook === undefined || graceSeconds === 0) return 0
    const startedMs = this.#context.nowMs()
    const podIP = podIPOf(pod, this.#context)
    const target = { cri: this.#context.cri, container, containerId: id, podIP }
    const { isSuccess } = await runHook(hook, target, graceSeconds)
    if (!isSuccess) this.#context.tell(pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', container.name)
    return Math.ceil((this.#context.nowMs() - startedMs) / 1000)
  }
}

/** Where the pod's ports are reached. */
export function podIPOf(pod: Pod, { view, network }: KubeletContext): string {
  if (pod.spec.hostNetwork === true) return network.hostIP
  return view.get(pod.metadata.uid ?? '').sandboxes[0]?.ips[0] ?? ''
}

async function unlessGone(call: Promise<void>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!isCriNotFound(error)) throw error
  }
}
