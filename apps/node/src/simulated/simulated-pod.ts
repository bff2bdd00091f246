import { formatTime, withCondition } from '@binnacle/apimachinery'
import type { ContainerMetrics } from '@binnacle/resources'
import {
  exitCodeAnnotation,
  pullErrorAnnotation,
  runSecondsAnnotation,
  type Container,
  type Pod,
  type PodCondition,
  type PodStatus,
} from './pod.ts'
import { usageOf } from './pod-usage.ts'
import { SimulatedContainer, type ContainerEvent, type ContainerFate } from './simulated-container.ts'
import { drawFrom, type SimulationOptions } from './simulation-options.ts'

/** Where a pod runs. */
export interface PodPlace {
  readonly hostIP: string
  /** Gives the pod its address; undefined when the node has none left. */
  takeAddress(): string | undefined
}

/** Why a condition is not met. */
type Problem = Pick<PodCondition, 'reason' | 'message'>

/** Pulls that fail, or runs that crash, of a pod that was drawn to fail: from one to this many. */
const failuresMax = 3

/**
 * A pod on a simulated node: its containers, and the status that a kubelet would report of them. Told of time and of the pod's
 * changes, it does what is due and says when it wants to be told again.
 */
export class SimulatedPod {
  pod: Pod
  readonly #place: PodPlace
  readonly #options: SimulationOptions
  readonly #random: () => number
  readonly #inits: readonly SimulatedContainer[]
  readonly #containers: readonly SimulatedContainer[]
  readonly #startTime: string
  #address: string | undefined
  #conditions: readonly PodCondition[]
  #stopAtMs = Number.POSITIVE_INFINITY
  #hasStarted = false
  /** True once all containers have ended after the pod's deletion was asked for. */
  isStopped = false

  constructor(pod: Pod, place: PodPlace, options: SimulationOptions, random: () => number, nowMs: number) {
    this.pod = pod
    this.#place = place
    this.#options = options
    this.#random = random
    this.#startTime = pod.status?.startTime ?? formatTime(nowMs)
    this.#conditions = pod.status?.conditions ?? []
    const create = (spec: Container, isInit: boolean): SimulatedContainer => this.#createContainer(spec, isInit)
    this.#inits = (pod.spec.initContainers ?? []).map((spec) => create(spec, true))
    this.#containers = pod.spec.containers.map((spec) => create(spec, false))
    if (pod.status?.startTime !== undefined) this.#restore(pod.status, nowMs)
  }

  /** The pod's own address; undefined before it has one, and on the host's network. */
  get ownAddress(): string | undefined {
    return this.pod.spec.hostNetwork === true ? undefined : this.#address
  }

  /** True when nothing will happen to it any more. */
  get isTerminal(): boolean {
    const phase = this.#phase()
    return phase === 'Succeeded' || phase === 'Failed'
  }

  /** What each running container uses; undefined: nobody has asked for it. */
  get usage(): readonly ContainerMetrics[] | undefined {
    const running = [...this.#inits, ...this.#containers].filter(({ phase }) => phase === 'running')
    return usageOf(
      this.pod,
      running.map(({ spec }) => spec),
      this.#options.usageShare,
    )
  }

  /** When {@link advance} has something to do; Infinity: not by itself. */
  get nextAtMs(): number {
    if (this.isStopped || this.isTerminal) return this.isStopped ? Number.POSITIVE_INFINITY : this.#stopAtMs
    return Math.min(this.#stopAtMs, ...this.#inits.map((c) => c.nextAtMs), ...this.#containers.map((c) => c.nextAtMs))
  }

  /** Takes over the pod as it is now. Returns true when its status has to be told anew because of that. */
  update(pod: Pod, nowMs: number): boolean {
    const wasReady = readyStatusOf(this.pod) === 'True'
    this.pod = pod
    if (pod.metadata.deletionTimestamp !== undefined) this.#beginStop(nowMs)
    const hasNewGates = (pod.spec.readinessGates ?? []).length > 0 && this.#takeGates(pod)
    return hasNewGates || (wasReady && this.isSaidNotReady)
  }

  /** True when the cluster takes the pod for not ready and it is: so the node controller marks the pods of a node that it does not hear of. */
  get isSaidNotReady(): boolean {
    if (readyStatusOf(this.pod) !== 'False' || this.#stopAtMs !== Number.POSITIVE_INFINITY) return false
    return this.#phase() === 'Running' && (this.#readyProblem('Running') ?? this.#gateProblem()) === undefined
  }

  /** Does what is due by now. Returns what there is to tell, and whether the status changed. */
  advance(nowMs: number): { readonly isChanged: boolean; readonly events: readonly ContainerEvent[] } {
    if (this.isStopped) return { isChanged: false, events: [] }
    if (nowMs >= this.#stopAtMs) return { isChanged: true, events: this.#stop(nowMs) }
    const events: ContainerEvent[] = []
    let isChanged = false
    const advanceOne = (container: SimulatedContainer): void => {
      const told = container.advance(nowMs)
      if (told === undefined) return
      isChanged = true
      events.push(...told)
      if (container.phase !== 'waiting') this.#startSandbox()
    }
    // Init containers one after the other; a sidecar lets the next one go on as soon as it has started.
    let mayGoOn = true
    for (const container of this.#inits) {
      if (!mayGoOn) break
      container.allowStart(nowMs)
      advanceOne(container)
      mayGoOn = container.isSidecar ? container.phase === 'running' || this.#hasStarted : container.isDone
    }
    if (!mayGoOn) return { isChanged, events }
    this.#hasStarted = true
    for (const container of this.#containers) {
      container.allowStart(nowMs)
      advanceOne(container)
    }
    if (isChanged && this.isTerminal) for (const sidecar of this.#inits) sidecar.stop(nowMs)
    return { isChanged, events }
  }

  /** The status as the kubelet reports it. */
  status(nowMs: number): PodStatus {
    const { hostIP } = this.#place
    const podIP = this.pod.spec.hostNetwork === true ? hostIP : this.#address
    this.#conditions = this.#currentConditions(nowMs)
    return {
      phase: this.#phase(),
      conditions: [...this.#conditions],
      hostIP,
      hostIPs: [{ ip: hostIP }],
      ...(podIP === undefined ? {} : { podIP, podIPs: [{ ip: podIP }] }),
      startTime: this.#startTime,
      ...(this.#inits.length === 0 ? {} : { initContainerStatuses: this.#inits.map((c) => c.status()) }),
      containerStatuses: this.#containers.map((c) => c.status()),
    }
  }

  #createContainer(spec: Container, isInit: boolean): SimulatedContainer {
    const options = {
      isInit,
      restartPolicy: this.pod.spec.restartPolicy ?? 'Always',
      podUID: this.pod.metadata.uid ?? '',
      hasInits: (this.pod.spec.initContainers ?? []).length > 0,
    }
    return new SimulatedContainer(spec, options, this.#drawFate(spec, isInit))
  }

  #drawFate(spec: Container, isInit: boolean): ContainerFate {
    const random = this.#random
    const options = this.#options
    const draw = (rate: number): number => (random() < rate ? 1 + Math.floor(random() * failuresMax) : 0)
    const runsOn = !isInit || spec.restartPolicy === 'Always'
    const annotations = this.pod.metadata.annotations ?? {}
    return {
      startDelayMs: drawFrom(options.startDelay, random),
      readyDelayMs: runsOn ? drawFrom(options.readyDelay, random) : Number.POSITIVE_INFINITY,
      runMs: runsOn ? (isInit ? Number.POSITIVE_INFINITY : this.#drawRunMs()) : drawFrom(options.initRun, random),
      exitCode: runsOn ? Number(annotations[exitCodeAnnotation] ?? 0) || 0 : 0,
      pullFailures: annotations[pullErrorAnnotation] === 'true' ? Number.POSITIVE_INFINITY : draw(options.failureRate),
      crashes: isInit ? 0 : draw(options.crashRate),
      crashAfterMs: drawFrom(options.crashAfter, random),
    }
  }

  #drawRunMs(): number {
    const seconds = Number(this.pod.metadata.annotations?.[runSecondsAnnotation])
    if (seconds >= 0) return seconds * 1000
    const isOfJob = this.pod.metadata.ownerReferences?.some((o) => o.controller === true && o.kind === 'Job') === true
    return isOfJob ? drawFrom(this.#options.jobRun, this.#random) : Number.POSITIVE_INFINITY
  }

  /** Goes on from what an earlier process of the agent reported. */
  #restore(status: PodStatus, nowMs: number): void {
    if (this.pod.spec.hostNetwork !== true) this.#address = status.podIP
    const restore = (containers: readonly SimulatedContainer[], statuses: PodStatus['containerStatuses']): void => {
      for (const container of containers) {
        const known = statuses?.find((s) => s.name === container.spec.name)
        if (known !== undefined) container.restore(known, nowMs)
      }
    }
    restore(this.#inits, status.initContainerStatuses)
    restore(this.#containers, status.containerStatuses)
    this.#hasStarted = this.#containers.some((c) => !c.isUntried)
  }

  #startSandbox(): void {
    if (this.#address !== undefined || this.pod.spec.hostNetwork === true) return
    this.#address = this.#place.takeAddress()
  }

  #beginStop(nowMs: number): void {
    if (this.#stopAtMs !== Number.POSITIVE_INFINITY) return
    const { metadata, spec } = this.pod
    const graceMs = (metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30) * 1000
    const isRunning = [...this.#inits, ...this.#containers].some((c) => c.phase === 'running')
    this.#stopAtMs = nowMs + (isRunning ? Math.min(graceMs, drawFrom(this.#options.stopDelay, this.#random)) : 0)
  }

  #stop(nowMs: number): ContainerEvent[] {
    const running = [...this.#inits, ...this.#containers].filter((c) => c.phase === 'running')
    for (const container of [...this.#inits, ...this.#containers]) container.stop(nowMs)
    this.isStopped = true
    return running.map(({ spec: { name } }) => ({
      container: name,
      type: 'Normal',
      reason: 'Killing',
      message: `Stopping container ${name}`,
    }))
  }

  /** Takes over the conditions that others set for the pod's readiness gates. Returns whether one of them changed. */
  #takeGates(pod: Pod): boolean {
    let isChanged = false
    for (const { conditionType } of pod.spec.readinessGates ?? []) {
      const theirs = pod.status?.conditions?.find((c) => c.type === conditionType)
      const ours = this.#conditions.find((c) => c.type === conditionType)
      if (theirs === undefined || theirs.status === ours?.status) continue
      this.#conditions = [...this.#conditions.filter((c) => c !== ours), theirs]
      isChanged = true
    }
    return isChanged
  }

  /** As the kubelet's `getPhase`. */
  #phase(): string {
    if (this.#inits.some((c) => c.isOver && !c.isDone && !c.isSidecar)) return 'Failed'
    if (this.isStopped) return this.#phaseWhenStopped()
    if (!this.#hasStarted || this.#containers.some((c) => c.isUntried)) return 'Pending'
    if (!this.#containers.every((c) => c.isOver)) return 'Running'
    return this.#containers.every((c) => c.isDone) ? 'Succeeded' : 'Failed'
  }

  // A pod that never ran has failed, too: whoever holds it waits for its end.
  #phaseWhenStopped(): string {
    return this.#containers.every((c) => c.exitCode === 0) ? 'Succeeded' : 'Failed'
  }

  #currentConditions(nowMs: number): readonly PodCondition[] {
    const phase = this.#phase()
    const hasSandbox = (this.#address !== undefined || this.pod.spec.hostNetwork === true) && this.#hasBegun()
    const running = phase === 'Running' || phase === 'Pending'
    let conditions = this.#conditions
    const set = (type: string, problem: Problem | undefined, status = 'False'): void => {
      const condition = problem === undefined ? { type, status: 'True' } : { type, status, ...problem }
      conditions = withCondition<PodCondition>(conditions, condition, nowMs)
    }
    set('PodReadyToStartContainers', hasSandbox && running && !this.isStopped ? undefined : {})
    set('Initialized', this.#initProblem(phase), phase === 'Succeeded' ? 'True' : 'False')
    set('Ready', this.#readyProblem(phase) ?? this.#gateProblem())
    set('ContainersReady', this.#readyProblem(phase))
    set('PodScheduled', undefined)
    return conditions
  }

  #hasBegun(): boolean {
    return this.#address !== undefined || [...this.#inits, ...this.#containers].some((c) => c.phase !== 'waiting')
  }

  #initProblem(phase: string): Problem | undefined {
    if (phase === 'Succeeded') return { reason: 'PodCompleted' }
    const missing = this.#inits.filter((c) => !(c.isSidecar ? !c.isUntried : c.isDone)).map((c) => c.spec.name)
    if (missing.length === 0) return undefined
    return { reason: 'ContainersNotInitialized', message: `containers with incomplete status: [${missing.join(' ')}]` }
  }

  #readyProblem(phase: string): Problem | undefined {
    if (phase === 'Succeeded') return { reason: 'PodCompleted' }
    if (phase === 'Failed') return { reason: 'PodFailed' }
    const sidecars = this.#inits.filter((c) => c.isSidecar)
    const unready = [...sidecars, ...this.#containers].filter((c) => !c.isReady).map((c) => c.spec.name)
    if (unready.length === 0) return undefined
    return { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
  }

  #gateProblem(): Problem | undefined {
    const problems = (this.pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
      const condition = this.#conditions.find((c) => c.type === conditionType)
      if (condition?.status === 'True') return []
      const what = condition === undefined ? 'does not exist' : `is not "True", but "${condition.status}"`
      return [`corresponding condition of pod readiness gate "${conditionType}" ${what}`]
    })
    return problems.length === 0 ? undefined : { reason: 'ReadinessGatesNotReady', message: problems.join('; ') }
  }
}

function readyStatusOf({ status }: Pod): string | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status
}
