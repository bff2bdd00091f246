import type { Container } from '@binnacle/resources'
import { type ObservedContainer, type ObservedPod, newestOf, readySandbox } from './observed-pod.ts'
import { isSidecar, shouldRestart, type Pod } from './pod.ts'

/** What is known of a pod's containers besides what the runtime says. */
export interface ContainerFacts {
  /** Why a running container is to be ended: what its probes say. */
  failedProbe(containerId: string): 'liveness' | 'startup' | undefined
  /** True once its startup probe has succeeded, or it has none and runs. */
  isStarted(containerId: string): boolean
  /** The hash of the spec that a container would be made of now. */
  hashOf(container: Container): string
  /** When a container that has ended may start again. */
  restartAtMs(container: ObservedContainer): number
  readonly nowMs: number
}

/** A container that runs and must not. */
export interface Kill {
  readonly container: ObservedContainer
  readonly message: string
}

/** A container that is to run, and the number of its try. */
export interface Start {
  readonly container: Container
  readonly attempt: number
}

/** What is to be done about a pod that is to run. */
export interface PodPlan {
  /** End everything, the sandbox too: nothing is to run any more, or a new sandbox must come first. */
  readonly isKilled: boolean
  /** The number of the sandbox that is to be made; undefined: none. */
  readonly sandboxAttempt: number | undefined
  readonly kills: readonly Kill[]
  readonly starts: readonly Start[]
  /** Containers that wait before they start again, by name, until when. */
  readonly backOffs: ReadonlyMap<string, number>
}

interface Draft {
  kills: Kill[]
  starts: Start[]
  backOffs: Map<string, number>
}

const ended: PodPlan = { isKilled: true, sandboxAttempt: undefined, kills: [], starts: [], backOffs: new Map() }

/**
 * Decides what a pod needs next (kubelet `computePodActions`). Init containers run one after the other in the present sandbox; sidecars among them go on;
 * then the app containers. A new sandbox begins from the first init container.
 */
export function planPod(pod: Pod, observed: ObservedPod, facts: ContainerFacts): PodPlan {
  const sandbox = readySandbox(observed)
  const draft: Draft = { kills: [], starts: [], backOffs: new Map() }
  if (sandbox === undefined) return planSandbox(pod, observed, draft, facts)
  const here: ObservedPod = { ...observed, containers: observed.containers.filter((c) => c.sandboxId === sandbox.id) }
  const isInitialized = pod.spec.containers.some(({ name }) => newestOf(here, name) !== undefined)
  if (isOver(pod, observed, isInitialized)) return ended
  const init = planInits(pod, observed, here, isInitialized, draft, facts)
  if (init === 'failed') return ended
  const ephemeral = (pod.spec.ephemeralContainers ?? []) as readonly Container[]
  for (const container of ephemeral) {
    if (newestOf(observed, container.name) === undefined) draft.starts.push({ container, attempt: 0 })
  }
  if (init === 'done')
    for (const container of pod.spec.containers) planContainer(pod, container, observed, draft, facts)
  return { isKilled: false, sandboxAttempt: undefined, ...draft }
}

/** True when no app container runs or will run again. */
function isOver(pod: Pod, observed: ObservedPod, isInitialized: boolean): boolean {
  return (
    isInitialized &&
    pod.spec.containers.every((container) => isDone(pod, container, newestOf(observed, container.name)))
  )
}

function isDone(pod: Pod, container: Container, last: ObservedContainer | undefined): boolean {
  return last?.state === 'exited' && !shouldRestart(pod, container, last.exitCode)
}

function planSandbox(pod: Pod, observed: ObservedPod, draft: Draft, facts: ContainerFacts): PodPlan {
  const [newest] = observed.sandboxes
  const hadContainers = observed.containers.length > 0
  // As kubelet: a pod that is never to run twice does not get a second sandbox once a container has been there.
  if (newest !== undefined && hadContainers && pod.spec.restartPolicy === 'Never') return ended
  if (isOver(pod, observed, hadContainers)) return ended
  const sandboxAttempt = newest === undefined ? 0 : newest.attempt + 1
  const isKilled = newest !== undefined
  const [first] = pod.spec.initContainers ?? []
  const toStart =
    first === undefined ? pod.spec.containers.filter((c) => !isDone(pod, c, newestOf(observed, c.name))) : [first]
  for (const container of toStart) planStart(container, newestOf(observed, container.name), draft, facts, false)
  return { isKilled, sandboxAttempt, ...draft }
}

/** Plans the init containers. `done`: app containers may run. `failed`: the pod has failed. */
function planInits(
  pod: Pod,
  observed: ObservedPod,
  here: ObservedPod,
  isInitialized: boolean,
  draft: Draft,
  facts: ContainerFacts,
): 'done' | 'waiting' | 'failed' {
  for (const container of pod.spec.initContainers ?? []) {
    const last = newestOf(here, container.name)
    if (isSidecar(pod, container)) {
      planContainer(pod, container, observed, draft, facts)
      if (isInitialized || (last?.state === 'running' && facts.isStarted(last.id))) continue
      return 'waiting'
    }
    if (isInitialized) continue
    if (last?.state === 'exited' && last.exitCode === 0) continue
    if (last?.state === 'exited' && !shouldRestart(pod, container, last.exitCode)) return 'failed'
    if (last?.state !== 'running') {
      planStart(container, newestOf(observed, container.name), draft, facts, last !== undefined)
    }
    return 'waiting'
  }
  return 'done'
}

function planContainer(
  pod: Pod,
  container: Container,
  observed: ObservedPod,
  draft: Draft,
  facts: ContainerFacts,
): void {
  const last = newestOf(observed, container.name)
  if (last?.state === 'running') {
    const message = whyKilled(container, last, facts)
    if (message !== undefined) draft.kills.push({ container: last, message })
  } else if (!isDone(pod, container, last)) planStart(container, last, draft, facts, true)
}

function whyKilled(container: Container, running: ObservedContainer, facts: ContainerFacts): string | undefined {
  if (running.hash !== facts.hashOf(container))
    return `Container ${container.name} definition changed, will be restarted`
  const probe = facts.failedProbe(running.id)
  return probe === undefined ? undefined : `Container ${container.name} failed ${probe} probe, will be restarted`
}

/** Starts the next try, after a pause when the last one has ended. One that was made but never ran is tried anew. */
function planStart(
  container: Container,
  last: ObservedContainer | undefined,
  draft: Draft,
  facts: ContainerFacts,
  hasBackOff: boolean,
): void {
  const attempt = last === undefined ? 0 : last.attempt + 1
  const atMs = hasBackOff && last?.state === 'exited' ? facts.restartAtMs(last) : 0
  if (atMs > facts.nowMs) draft.backOffs.set(container.name, atMs)
  else draft.starts.push({ container, attempt })
}
