import { formatTime, withCondition } from '@binnacle/apimachinery'
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  PodCondition,
  PodStatus,
} from '@binnacle/resources'
import { type ObservedContainer, type ObservedPod, readySandbox } from './observed-pod.ts'
import { isSidecar, shouldRestart, type Pod } from './pod.ts'

/** A reason as upper-camel-case word, and a sentence. */
export interface Problem {
  readonly reason: string
  readonly message: string
}

/** What is known of a pod besides what the runtime says. */
export interface StatusFacts {
  readonly hostIP: string
  readonly qosClass: string
  readonly startTime: string
  readonly nowMs: number
  /** Why a container does not run: it could not be started, or waits before it is. */
  waiting(name: string): Problem | undefined
  isStarted(containerId: string): boolean
  isReady(containerId: string): boolean
  /** Why the pod was ended by the node (`DeadlineExceeded`, `Evicted`). */
  readonly failure: Problem | undefined
  /** True once everything was ended for good. */
  readonly isEnded: boolean
}

/** The status that a kubelet reports (`generateAPIPodStatus`). Conditions of others, as those of readiness gates, are kept. */
export function podStatus(pod: Pod, observed: ObservedPod, facts: StatusFacts): PodStatus {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec
  const convert = (container: Container): ContainerStatus => containerStatus(pod, container, observed, facts)
  const inits = initContainers.map(convert)
  const apps = containers.map(convert)
  const isAnyRunning = observed.containers.some(({ state }) => state === 'running')
  const phase = phaseWhile(isAnyRunning, pod, phaseOf(pod, inits, apps, facts))
  const sandbox = observed.sandboxes[0]
  const known = pod.status?.podIPs?.map(({ ip }) => ip) ?? []
  const ips = pod.spec.hostNetwork === true ? [facts.hostIP] : (sandbox?.ips.length ?? 0) > 0 ? sandbox!.ips : known
  const hasAddress = ips.length > 0 && (pod.spec.hostNetwork !== true || sandbox !== undefined)
  const hasSandbox = readySandbox(observed) !== undefined
  return {
    phase,
    ...facts.failure,
    conditions: [...conditionsOf(pod, phase, inits, apps, hasSandbox, facts)],
    hostIP: facts.hostIP,
    hostIPs: [{ ip: facts.hostIP }],
    ...(hasAddress ? { podIP: ips[0] as string, podIPs: ips.map((ip) => ({ ip })) } : {}),
    qosClass: facts.qosClass,
    startTime: facts.startTime,
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    containerStatuses: apps,
    ...(ephemeralContainers.length === 0
      ? {}
      : { ephemeralContainerStatuses: (ephemeralContainers as readonly Container[]).map(convert) }),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  }
}

function containerStatus(pod: Pod, container: Container, observed: ObservedPod, facts: StatusFacts): ContainerStatus {
  const { name } = container
  const tries = observed.containers.filter((c) => c.name === name)
  const [newest, previous] = tries
  const state = stateOf(pod, container, newest, facts)
  const isRunning = newest?.state === 'running'
  const isDoneInit = isInit(pod, container) && newest?.state === 'exited' && newest.exitCode === 0
  const last = state.waiting !== undefined && newest?.state === 'exited' ? newest : previous
  const old = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(
    (s) => s.name === name,
  )
  const lastState =
    last?.state === 'exited' ? { terminated: terminatedOf(last) } : newest === undefined ? old?.lastState : {}
  return {
    name,
    image: newest?.image ?? container.image ?? '',
    imageID: newest?.imageRef ?? '',
    ...(newest === undefined ? {} : { containerID: `containerd://${newest.id}` }),
    restartCount: newest?.attempt ?? old?.restartCount ?? 0,
    state,
    lastState: lastState ?? {},
    ready: isDoneInit || (isRunning && facts.isReady(newest.id)),
    started: isRunning && facts.isStarted(newest.id),
  }
}

function isInit(pod: Pod, container: Container): boolean {
  return pod.spec.initContainers?.includes(container) === true && !isSidecar(pod, container)
}

function stateOf(
  pod: Pod,
  container: Container,
  newest: ObservedContainer | undefined,
  facts: StatusFacts,
): ContainerState {
  if (newest?.state === 'running') return { running: { startedAt: formatTime(newest.startedAtMs) } }
  const problem = facts.failure === undefined && !facts.isEnded ? facts.waiting(container.name) : undefined
  if (problem !== undefined) return { waiting: { ...problem } }
  if (newest?.state === 'exited') return { terminated: terminatedOf(newest) }
  if (newest?.state === 'unknown' || facts.isEnded) return { terminated: lostState(newest) }
  const hasInits = (pod.spec.initContainers ?? []).length > 0
  return { waiting: { reason: hasInits && newest === undefined ? 'PodInitializing' : 'ContainerCreating' } }
}

// A container that the runtime knows nothing of, in a pod that is over (kubelet `TerminatePod`).
function lostState(newest: ObservedContainer | undefined): ContainerStateTerminated {
  const message = 'The container could not be located when the pod was terminated'
  const id = newest === undefined ? {} : { containerID: `containerd://${newest.id}` }
  return { exitCode: 137, reason: 'ContainerStatusUnknown', message, ...id }
}

function terminatedOf(container: ObservedContainer): ContainerStateTerminated {
  const { exitCode, startedAtMs, finishedAtMs, message, reason, id } = container
  return {
    exitCode,
    reason: reason || (exitCode === 0 ? 'Completed' : 'Error'),
    ...(message === '' ? {} : { message }),
    // The runtime notes the start of a very short process after its end.
    startedAt: formatTime(Math.min(startedAtMs, finishedAtMs)),
    finishedAt: formatTime(finishedAtMs),
    containerID: `containerd://${id}`,
  }
}

// A pod is over only when nothing runs of it any more: sidecars are ended first (kubelet `mergePodStatus`).
function phaseWhile(isAnyRunning: boolean, pod: Pod, phase: string): string {
  return isAnyRunning && (phase === 'Succeeded' || phase === 'Failed') ? (pod.status?.phase ?? 'Running') : phase
}

/** As kubelet `getPhase`: a container that waits after it has ended counts as running on. */
function phaseOf(
  pod: Pod,
  inits: readonly ContainerStatus[],
  apps: readonly ContainerStatus[],
  facts: StatusFacts,
): string {
  if (facts.failure !== undefined) return 'Failed'
  const codes = (statuses: readonly ContainerStatus[]): (number | undefined)[] =>
    statuses.map((s) => s.state?.terminated?.exitCode)
  const regular = inits.filter((_, i) => isInit(pod, pod.spec.initContainers![i] as Container))
  const hasFailed = regular.some((status) => {
    const code = status.state?.terminated?.exitCode
    const container = pod.spec.initContainers?.find(({ name }) => name === status.name) as Container
    return code !== undefined && code !== 0 && (facts.isEnded || !shouldRestart(pod, container, code))
  })
  if (hasFailed) return 'Failed'
  if (facts.isEnded) return codes(apps).every((code) => code === 0) ? 'Succeeded' : 'Failed'
  if (regular.some((s) => s.state?.terminated?.exitCode !== 0 && s.lastState?.terminated?.exitCode !== 0))
    return 'Pending'
  const isWaiting = (s: ContainerStatus): boolean =>
    s.state?.waiting !== undefined && s.lastState?.terminated === undefined
  if (apps.some(isWaiting)) return 'Pending'
  const isOver = apps.every((s, i) => {
    const code = s.state?.terminated?.exitCode
    return code !== undefined && !shouldRestart(pod, pod.spec.containers[i] as Container, code)
  })
  if (!isOver) return 'Running'
  return codes(apps).every((code) => code === 0) ? 'Succeeded' : 'Failed'
}

type ConditionProblem = Partial<Problem>

function conditionsOf(
  pod: Pod,
  phase: string,
  inits: readonly ContainerStatus[],
  apps: readonly ContainerStatus[],
  hasSandbox: boolean,
  facts: StatusFacts,
): readonly PodCondition[] {
  let conditions: readonly PodCondition[] = pod.status?.conditions ?? []
  const { generation } = pod.metadata
  const set = (type: string, problem: ConditionProblem | undefined, status = 'False'): void => {
    const condition = problem === undefined ? { type, status: 'True' } : { type, status, ...problem }
    const observed = generation === undefined ? {} : { observedGeneration: generation }
    conditions = withCondition<PodCondition>(conditions, { ...condition, ...observed }, facts.nowMs)
  }
  set('PodReadyToStartContainers', hasSandbox && !facts.isEnded ? undefined : {})
  set('Initialized', initProblem(pod, phase, inits), phase === 'Succeeded' ? 'True' : 'False')
  const unready = readyProblem(pod, phase, inits, apps)
  set('Ready', unready ?? gateProblem(pod))
  set('ContainersReady', unready)
  const isScheduled = pod.status?.conditions?.some((c) => c.type === 'PodScheduled') === true
  if (!isScheduled) set('PodScheduled', undefined)
  if (facts.failure?.reason === 'Evicted')
    set('DisruptionTarget', { reason: 'TerminationByKubelet', message: facts.failure.message }, 'True')
  return conditions
}

function initProblem(pod: Pod, phase: string, inits: readonly ContainerStatus[]): ConditionProblem | undefined {
  if (phase === 'Succeeded') return { reason: 'PodCompleted' }
  const missing = inits.filter((s, i) => {
    const container = pod.spec.initContainers?.[i] as Container
    return isSidecar(pod, container) ? s.started !== true : !s.ready
  })
  if (missing.length === 0) return undefined
  const names = missing.map(({ name }) => name).join(' ')
  return { reason: 'ContainersNotInitialized', message: `containers with incomplete status: [${names}]` }
}

function readyProblem(
  pod: Pod,
  phase: string,
  inits: readonly ContainerStatus[],
  apps: readonly ContainerStatus[],
): ConditionProblem | undefined {
  if (phase === 'Succeeded') return { reason: 'PodCompleted' }
  if (phase === 'Failed') return { reason: 'PodFailed' }
  const sidecars = inits.filter((_, i) => isSidecar(pod, pod.spec.initContainers?.[i] as Container))
  const unready = [...sidecars, ...apps].filter(({ ready }) => !ready)
  if (unready.length === 0) return undefined
  const names = unready.map(({ name }) => name).join(' ')
  return { reason: 'ContainersNotReady', message: `containers with unready status: [${names}]` }
}

function gateProblem(pod: Pod): ConditionProblem | undefined {
  const problems = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = pod.status?.conditions?.find((c) => c.type === conditionType)
    if (condition?.status === 'True') return []
    const what = condition === undefined ? 'does not exist' : `is not "True", but "${condition.status}"`
    return [`corresponding condition of pod readiness gate "${conditionType}" ${what}`]
  })
  return problems.length === 0 ? undefined : { reason: 'ReadinessGatesNotReady', message: problems.join('; ') }
}
