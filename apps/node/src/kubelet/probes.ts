import type { Container, Probe } from '@binnacle/resources'
import { act, type ActionResult, type ActionTarget } from './actions.ts'
import { containersOf, type Pod } from './pod.ts'
import type { ObservedContainer, ObservedPod } from './observed-pod.ts'

type Kind = 'startup' | 'liveness' | 'readiness'
const kinds: readonly Kind[] = ['startup', 'liveness', 'readiness']
const kindNames = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' } as const

/** What probes have around them. */
export interface ProbeEnvironment {
  target(pod: Pod, container: Container, containerId: string): ActionTarget
  /** A result changed. */
  onChange(podUID: string): void
  /** A probe failed. */
  onFailure(pod: Pod, container: Container, message: string): void
}

interface ProbeState {
  readonly pod: () => Pod
  readonly container: Container
  readonly containerId: string
  readonly kind: Kind
  readonly probe: Probe
  timer: NodeJS.Timeout | undefined
  /** undefined: no answer that counts yet. */
  result: boolean | undefined
  lastWasSuccess: boolean | undefined
  run: number
}

/**
 * Runs the probes of running containers (kubelet `prober.Manager`): each at its own period, the first at once or after its delay; a result counts after as
 * many equal answers in a row as its threshold says. Liveness and readiness wait for the startup probe. Results belong to one run of a
 * container.
 */
export class Probes {
  readonly #environment: ProbeEnvironment
  readonly #states = new Map<string, ProbeState>()
  readonly #pods = new Map<string, Pod>()

  constructor(environment: ProbeEnvironment) {
    this.#environment = environment
  }

  /** Begins probing what runs now of the pod, and ends probing what does not. */
  follow(pod: Pod, observed: ObservedPod): void {
    const uid = pod.metadata.uid ?? ''
    this.#pods.set(uid, pod)
    const running = new Map(observed.containers.filter((c) => c.state === 'running').map((c) => [c.id, c]))
    for (const [key, state] of this.#states) {
      if (state.pod().metadata.uid === uid && !running.has(state.containerId)) this.#end(key, state)
    }
    for (const container of containersOf(pod)) {
      const run = [...running.values()].find(({ name }) => name === container.name)
      if (run !== undefined) for (const kind of kinds) this.#begin(uid, container, run, kind)
    }
  }

  /** Ends all probes of the pod. */
  forget(podUID: string): void {
    for (const [key, state] of this.#states) if (state.pod().metadata.uid === podUID) this.#end(key, state)
    this.#pods.delete(podUID)
  }

  stop(): void {
    for (const [key, state] of this.#states) this.#end(key, state)
  }

  /** Which probe says that the container is to be ended. */
  failed(containerId: string): 'liveness' | 'startup' | undefined {
    if (this.#result(containerId, 'startup') === false) return 'startup'
    return this.#result(containerId, 'liveness') === false ? 'liveness' : undefined
  }

  /** True when the container has started as its startup probe sees it. */
  isStarted(containerId: string): boolean {
    const state = this.#states.get(`${containerId} startup`)
    return state === undefined || state.result === true
  }

  /** Whether the container is ready; undefined before its readiness probe has an answer that counts. */
  isReady(containerId: string): boolean | undefined {
    const state = this.#states.get(`${containerId} readiness`)
    if (state !== undefined && state.result === undefined) return undefined
    return this.isStarted(containerId) && state?.result !== false
  }

  #result(containerId: string, kind: Kind): boolean | undefined {
    return this.#states.get(`${containerId} ${kind}`)?.result
  }

  #begin(podUID: string, container: Container, run: ObservedContainer, kind: Kind): void {
    const probe = container[`${kind}Probe`]
    const key = `${run.id} ${kind}`
    if (probe === undefined || this.#states.has(key)) return
    const pod = (): Pod => this.#pods.get(podUID) as Pod
    const state: ProbeState = {
      ...{ pod, container, containerId: run.id, kind, probe },
      ...{ timer: undefined, result: undefined, lastWasSuccess: undefined, run: 0 },
    }
    this.#states.set(key, state)
    const delayMs = Math.max(0, run.startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000 - Date.now())
    state.timer = setTimeout(() => void this.#probe(key, state), delayMs)
  }

  #end(key: string, state: ProbeState): void {
    clearTimeout(state.timer)
    this.#states.delete(key)
  }

  async #probe(key: string, state: ProbeState): Promise<void> {
    const { kind, probe, container, containerId } = state
    const startedMs = Date.now()
    // A startup probe that has succeeded is over; the others wait for it.
    if (kind === 'startup' && state.result === true) return
    if (kind === 'startup' || this.isStarted(containerId)) {
      const target = this.#environment.target(state.pod(), container, containerId)
      const result = await act(probe, target, probe.timeoutSeconds ?? 1)
      if (this.#states.get(key) !== state) return
      this.#take(state, result)
    }
    const waitMs = Math.max(0, (probe.periodSeconds ?? 10) * 1000 - (Date.now() - startedMs))
    state.timer = setTimeout(() => void this.#probe(key, state), waitMs)
  }

  #take(state: ProbeState, { isSuccess, message }: ActionResult): void {
    const { kind, probe, container } = state
    state.run = state.lastWasSuccess === isSuccess ? state.run + 1 : 1
    state.lastWasSuccess = isSuccess
    if (!isSuccess) this.#environment.onFailure(state.pod(), container, `${kindNames[kind]} probe failed: ${message}`)
    const threshold = isSuccess ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)
    if (state.run < threshold || state.result === isSuccess) return
    state.result = isSuccess
    this.#environment.onChange(state.pod().metadata.uid ?? '')
    // What waited for the startup probe need not wait for its own period, too.
    if (kind === 'startup' && isSuccess) this.#wake(state.containerId)
  }

  #wake(containerId: string): void {
    for (const kind of ['readiness', 'liveness'] as const) {
      const key = `${containerId} ${kind}`
      const state = this.#states.get(key)
      if (state === undefined || state.run > 0) continue
      clearTimeout(state.timer)
      state.timer = setTimeout(() => void this.#probe(key, state), 0)
    }
  }
}
