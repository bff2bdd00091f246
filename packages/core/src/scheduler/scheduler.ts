import { formatKey, formatTime, isConflict, isNotFound, type KubernetesObject, keyOf } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Client, EventRecorder, Informer } from '@binnacle/client'
import { podGroups, type ResourceDefinition } from '@binnacle/resources'
import type { Log } from '../controller.ts'
import { BatchWriter } from './batch-writer.ts'
import { Binder, type BindFailure } from './binder.ts'
import { ClusterState } from './cluster-state.ts'
import { DefaultSelectors } from './default-selector.ts'
import { fitErrorMessage } from './fit-error.ts'
import { AskingPicker } from './extenders/asking-picker.ts'
import type { ExtenderConfiguration } from './extenders/extender-configuration.ts'
import { Extenders } from './extenders/extenders.ts'
import type { HttpExtender } from './extenders/http-extender.ts'
import {
  anyEvent,
  type ClusterEvent,
  type Cycle,
  type FailedSearch,
  type Profile,
  type SchedulerHandle,
} from './framework.ts'
import { GroupCycle, type GroupVerdict, type Refusal } from './group-cycle.ts'
import { groupKeyOf } from './pod-groups.ts'
import { groupStatusWrite } from './pod-group-status.ts'
import { PostFilterOutcome } from './post-filter-outcome.ts'
import { type Backoff, SchedulingQueue, type QueueCounts, type QueuedPod } from './queue.ts'
import { NodePicker, type Decision, type PickOptions } from './schedule-one.ts'
import type { PodShape } from './pod-shape.ts'
import type { SchedulableNode, SchedulablePod } from './scheduled-objects.ts'
import { WaitingPods } from './waiting-pods.ts'

/** What the scheduler needs around it. */
export interface SchedulerEnvironment {
  readonly client: Client
  readonly pods: ResourceDefinition<any>
  nowMs(): number
  /** Calls back once after the given time; returns how to call it off. */
  setTimer(callback: () => void, afterMs: number): () => void
  readonly recordEvent: EventRecorder['record']
  readonly log: Log
  /** The shared informer of a resource that a plugin reads. */
  informer<T extends KubernetesObject>(resource: ResourceDefinition<T>): Informer<T>
}

/** What the scheduler has done and has to do. */
export interface SchedulerFigures {
  readonly decisions: number
  readonly bound: number
  readonly unschedulable: number
  readonly bindErrors: number
  readonly queue: QueueCounts
}

/** Characters of an event's message (`NoteLengthLimit`). */
const eventMessageMax = 1024
const longMessageEnd = ' ...'

/** Pods tried before other work gets its turn. */
const podsPerSliceMax = 256
/** Events remembered while extenders are asked; after more the pod is simply tried again. */
const meanwhileMax = 10_000
/** Time after which other work gets its turn, in milliseconds. */
const sliceMs = 8

/**
 * Gives every pod without a node one: takes pods from the queue, decides on the cluster's present state, assumes the pod placed at
 * once and writes the binding together with others. Told of objects by {@link podChanged} and its like; holds no timer while stopped.
 */
export class Scheduler {
  readonly cluster = new ClusterState()
  readonly defaults = new DefaultSelectors()
  readonly queue: SchedulingQueue
  readonly #environment: SchedulerEnvironment
  readonly #profiles: ReadonlyMap<string, Profile>
  readonly #picker: NodePicker
  readonly #extenders: Extenders
  readonly #askingPicker: AskingPicker
  /** Ends the decision that waits for extenders; no other is made meanwhile. */
  #deciding: { readonly abort: AbortController; readonly done: Promise<void> } | undefined
  /** What has happened since that decision began: it may have been made on older facts. */
  #meanwhile: ClusterEvent[] = []
  readonly #areGroupsServed: boolean
  #groupCycle: GroupCycle | undefined
  #isQuiet = false
  readonly #writer: BatchWriter
  /** Of pods, by uid: what is queued in this turn for their status. */
  readonly #openPatches = new Map<string, Record<string, unknown>>()
  /** The preEnqueue plugins that let pods go after events that are not their own, with the kinds of objects if they look at nothing else. */
  readonly #gatekeepers: ReadonlyMap<string, readonly string[] | undefined>
  readonly #binder: Binder
  #isRunning = false
  #isWoken = false
  #cancelTimer: () => void = () => {}
  #timerAtMs = Number.POSITIVE_INFINITY
  #decisions = 0
  #boundCount = 0
  #unschedulable = 0
  #bindErrors = 0

  /** `profilesOf` makes the profiles; all have one queue sort. */
  constructor(
    environment: SchedulerEnvironment,
    profilesOf: (handle: SchedulerHandle) => readonly Profile[],
    options: PickOptions & {
      readonly backoff?: Backoff
      /** Pods that name a group are decided on together with the others of it. */
      readonly groups?: boolean
      readonly extenders?: readonly ExtenderConfiguration[]
    } = {},
  ) {
    this.#environment = environment
    const { client, recordEvent, log } = environment
    const waitingPods = new WaitingPods((callback, afterMs) => environment.setTimer(callback, afterMs))
    const profiles = profilesOf({
      cluster: this.cluster,
      defaults: this.defaults,
      client,
      waitingPods,
      recordEvent,
      log,
      nowMs: () => environment.nowMs(),
      setTimer: (callback, afterMs) => environment.setTimer(callback, afterMs),
      informer: (resource) => environment.informer(resource),
      announce: (event) => this.#announce(event),
      write: (write, settle) => this.#writer.add(write, settle),
      withdrawNomination: (pod) => this.#nominate(pod, ''),
      activate: (pod) => this.queue.activate(pod.metadata.uid ?? '', environment.nowMs()),
      hold: (pod) => this.#hold(pod.metadata.uid ?? ''),
    })
    this.#extenders = new Extenders(options.extenders ?? [], this.cluster, log)
    const { binder } = this.#extenders
    const bindOf = ({ bind }: Profile): Profile['bind'] => (binder === undefined ? bind : [binder, ...bind])
    this.#profiles = new Map(profiles.map((p) => [p.schedulerName, { ...p, bind: bindOf(p) }]))
    const gatekeepers = profiles.flatMap(({ preEnqueue }) => preEnqueue.filter(({ mayHelp }) => mayHelp !== undefined))
    this.#gatekeepers = new Map(gatekeepers.map(({ name, helpedBy }) => [name, helpedBy]))
    this.queue = new SchedulingQueue(profiles[0]?.queueSort, options.backoff)
    this.#picker = new NodePicker(this.cluster, options)
    this.#areGroupsServed = options.groups === true
    this.#askingPicker = new AskingPicker(this.#picker, this.#extenders, log)
    this.#writer = new BatchWriter(client, () => this.#wake())
    this.#binder = new Binder(this.cluster, this.#writer, waitingPods, {
      bound: (queued, nodeName) => this.#bound(queued, nodeName),
      failed: (failure) => this.#bindFailed(failure),
    })
  }

  /** Counts since the start, and the queue's present state. */
  get figures(): SchedulerFigures {
    return {
      decisions: this.#decisions,
      bound: this.#boundCount,
      unschedulable: this.#unschedulable,
      bindErrors: this.#bindErrors,
      queue: this.queue.counts,
    }
  }

  /** Starts deciding. Objects told before count. */
  start(): void {
    this.#isRunning = true
    this.#wake()
  }

  /** Stops deciding; resolves once the decisions made are written. It may be started again. */
  async stop(): Promise<void> {
    this.#isRunning = false
    this.#cancelTimer()
    this.#timerAtMs = Number.POSITIVE_INFINITY
    this.#deciding?.abort.abort(new Error('the scheduler stops'))
    await this.#deciding?.done
    await this.#binder.stop()
    this.#extenders.close()
  }

  /** A pod came or changed. */
  podChanged(pod: SchedulablePod): void {
    const uid = pod.metadata.uid ?? ''
    const { phase } = pod.status ?? {}
    if (phase === 'Succeeded' || phase === 'Failed') this.podDeleted(pod)
    else if (pod.spec.nodeName !== undefined && pod.spec.nodeName !== '') this.#podHasNode(pod, pod.spec.nodeName)
    else if (pod.metadata.deletionTimestamp !== undefined) {
      this.queue.delete(uid)
      this.#releasePromise(uid)
    }
    // Else the binding is being written, or is written and this news is older.
    else if (this.cluster.placedPod(uid) === undefined) this.#podHasNoNode(pod)
    else this.queue.updateInFlight(pod, () => this.cluster.shapes.shapeOf(pod))
  }

  #hold(uid: string): () => void {
    this.queue.hold(uid)
    return () => {
      this.queue.letGo(uid, this.#environment.nowMs())
      this.#wake()
    }
  }

  /** A pod is gone, or has come to its end: it takes nothing any more. */
  podDeleted(pod: SchedulablePod): void {
    const uid = pod.metadata.uid ?? ''
    this.queue.delete(uid)
    this.#binder.cancel(uid)
    this.#groupCycle?.forget(uid)
    const removed = this.cluster.unplace(uid)
    this.#releasePromise(uid)
    if (removed !== undefined) this.#announce({ type: 'podRemoved', pod: removed })
  }

  /** A pod needs the node no more that it was promised: others that left it the room may be tried again. */
  #releasePromise(uid: string): void {
    const promised = this.cluster.nominations.get(uid)
    if (promised === undefined) return
    this.cluster.nominations.delete(uid)
    const slot = this.cluster.table.slotOf(promised.nodeName)
    if (slot < 0) return
    const pod = { ...promised, slot, isTerminating: true, isAssumed: true }
    this.#announce({ type: 'podRemoved', pod })
  }

  /** A node came or changed. */
  nodeChanged(node: SchedulableNode): void {
    const change = this.cluster.table.setNode(node)
    if (change !== 0) this.#announce({ type: 'node', slot: this.cluster.table.slotOf(node.metadata.name), change })
  }

  /** A node is gone. */
  nodeDeleted(node: SchedulableNode): void {
    this.cluster.table.removeNode(node.metadata.name)
    this.#announce({ type: 'nodeRemoved' })
  }

  #podHasNode(pod: SchedulablePod, nodeName: string): void {
    const uid = pod.metadata.uid ?? ''
    this.queue.delete(uid)
    this.#groupCycle?.forget(uid)
    this.cluster.nominations.delete(uid)
    const before = this.cluster.place(pod, nodeName, { assumed: false })
    const now = this.cluster.placedPod(uid)
    if (now === undefined || now === before) return
    const isCountedAlike =
      before?.slot === now.slot && before.shape === now.shape && before.isTerminating === now.isTerminating
    if (before !== undefined && !isCountedAlike) this.#announce({ type: 'podRemoved', pod: before })
    this.#announce({ type: 'podPlaced', pod: now })
  }

  #podHasNoNode(pod: SchedulablePod): void {
    const shape = this.cluster.shapes.shapeOf(pod)
    const profile = this.#profiles.get(shape.schedulerName)
    if (profile === undefined) return
    const uid = pod.metadata.uid ?? ''
    const known = this.queue.get(uid)
    const inStatus = pod.status?.nominatedNodeName ?? ''
    // From here on others may change it.
    if (known?.toldNode === inStatus) known.toldNode = undefined
    const told = known?.toldNode ?? inStatus
    const promised = this.cluster.nominations.get(uid)?.nodeName ?? told
    if (promised !== '') this.cluster.nominations.set(pod, shape, promised)
    const gatekeeper = profile.preEnqueue.find((plugin) => plugin.preEnqueue(pod) !== undefined)
    this.queue.set(pod, shape, gatekeeper?.name, this.#environment.nowMs(), ({ shape: before, rejectors }) =>
      this.#mayHelp({ type: 'podUpdated', before }, shape, rejectors),
    )
    if (this.queue.counts.active > 0) this.#wake()
  }

  /** Asks the preEnqueue plugins again of those pods that the event may help past the one that keeps them out. */
  #askGatekeepers(event: ClusterEvent): void {
    const helped: SchedulablePod[] = []
    const kind = event.type === 'object' ? event.kind : ''
    for (const [name, kinds] of this.#gatekeepers) {
      if (kinds?.includes(kind) === false) continue
      for (const [shape, pods] of this.queue.gatedBy(name)) {
        const plugin = this.#profiles.get(shape.schedulerName)?.preEnqueue.find((p) => p.name === name)
        if (plugin?.mayHelp?.(event, shape, this.cluster) === true) for (const { pod } of pods) helped.push(pod)
      }
    }
    for (const pod of helped) this.#podHasNoNode(pod)
  }

  /** Lets those waiting pods try again that the event may help. */
  #announce(event: ClusterEvent): void {
    if (this.#isQuiet) return
    if (this.#deciding !== undefined && this.#meanwhile.length <= meanwhileMax) this.#meanwhile.push(event)
    if (this.queue.counts.gated > 0) this.#askGatekeepers(event)
    if (this.queue.counts.unschedulable === 0) return
    this.queue.move((shape, rejectors) => this.#mayHelp(event, shape, rejectors), this.#environment.nowMs())
    this.#wake()
  }

  #mayHelp(event: ClusterEvent, shape: PodShape, rejectors: number): boolean {
    // Rejected by no plugin: there was no node at all.
    if (rejectors === 0) return event.type === 'node'
    if ((rejectors & anyEvent) !== 0) return true
    const plugins = this.#profiles.get(shape.schedulerName)?.rejectors ?? []
    return plugins.some((plugin, i) => (rejectors & (1 << i)) !== 0 && plugin.mayHelp(event, shape, this.cluster))
  }

  #wake(): void {
    if (this.#isWoken || !this.#isRunning) return
    this.#isWoken = true
    setImmediate(() => {
      this.#isWoken = false
      if (this.#isRunning) this.#runSlice()
    })
  }

  #runSlice(): void {
    this.queue.flush(this.#environment.nowMs())
    const startedAt = performance.now()
    for (let tried = 0; tried < podsPerSliceMax && !this.#isHeldUp; tried++) {
      const queued = this.queue.pop()
      if (queued === undefined) break
      this.#scheduleOne(queued)
      if (performance.now() - startedAt > sliceMs) break
    }
    this.#writer.flush()
    if (this.queue.counts.active > 0 && !this.#isHeldUp) this.#wake()
    this.#setTimer()
  }

  /** Whoever holds it up wakes it. */
  get #isHeldUp(): boolean {
    return this.#deciding !== undefined || this.#writer.isFull
  }

  #scheduleOne(queued: QueuedPod): void {
    if (this.#areGroupsServed && groupKeyOf(queued.shape) !== undefined) return this.#scheduleGroup(queued)
    const profile = this.#profileOf(queued)
    this.#decisions++
    const extenders = this.#extenders.interestedIn(queued.pod)
    if (extenders !== undefined)
      return this.#ask([queued], (signal) => this.#scheduleAsking(queued, profile, extenders, signal))
    const decision = this.#picker.pick(queued.pod, queued.shape, profile)
    if (decision.kind === 'fits') this.#startBinding(queued, profile, decision)
    else if (decision.failed === undefined) this.#finishInVain(queued, decision)
    else this.#finishInVain(queued, decision, makeRoom(profile, decision.failed))
  }

  #profileOf({ shape }: QueuedPod): Profile {
    return this.#profiles.get(shape.schedulerName) as Profile
  }

  #startBinding(queued: QueuedPod, profile: Profile, { cycle, slot }: Decision & { kind: 'fits' }): void {
    // From now on it is counted where it goes.
    this.cluster.nominations.delete(queued.uid)
    this.#binder.start(queued, profile, cycle, slot)
  }

  /** Decides with somebody else's say. Nothing else is decided until that is done. */
  #ask(pods: readonly QueuedPod[], decide: (signal: AbortSignal) => Promise<void>): void {
    const abort = new AbortController()
    this.#meanwhile = []
    const done = decide(abort.signal).catch((error: unknown) => {
      for (const queued of pods) {
        if (!this.#isQueued(queued)) continue
        if (abort.signal.aborted) this.queue.giveBackAfterError(queued, this.#environment.nowMs())
        else this.#reportError(queued, error as Error)
      }
    })
    this.#deciding = {
      abort,
      done: done.then(() => {
        this.#deciding = undefined
        this.#wake()
      }),
    }
  }

  /** False once the pod has gone, or somebody else has given it a node. */
  #isQueued(queued: QueuedPod): boolean {
    return this.queue.get(queued.uid) === queued
  }

  async #scheduleAsking(
    queued: QueuedPod,
    profile: Profile,
    extenders: readonly HttpExtender[],
    signal: AbortSignal,
  ): Promise<void> {
    const decision = await this.#askingPicker.pick(queued, profile, extenders, signal)
    if (!this.#isQueued(queued)) return
    if (decision.kind === 'fits') return this.#startBinding(queued, profile, decision)
    const { failed } = decision
    if (failed === undefined) return this.#finishInVain(queued, decision)
    const outcome = await this.#makeRoomAsking(queued, profile, failed, extenders, signal)
    if (this.#isQueued(queued)) this.#finishInVain(queued, decision, outcome)
  }

  async #makeRoomAsking(
    { pod }: QueuedPod,
    profile: Profile,
    { cycle, search }: FailedDecision,
    extenders: readonly HttpExtender[],
    signal: AbortSignal,
  ): Promise<PostFilterOutcome> {
    const outcome = new PostFilterOutcome()
    for (const plugin of profile.postFilters) {
      const result =
        plugin.postFilterReviewed === undefined
          ? plugin.postFilter(cycle, search)
          : await plugin.postFilterReviewed(cycle, search, (victims) =>
              this.#extenders.review(extenders, pod, victims, signal),
            )
      signal.throwIfAborted()
      if (outcome.takes(result)) break
    }
    return outcome
  }

  #finishInVain(queued: QueuedPod, refusal: Refusal, outcome?: PostFilterOutcome): void {
    outcome?.eviction?.go()
    if (outcome?.nominated !== undefined) this.#nominate(queued.pod, outcome.nominated)
    const message = outcome?.messageAfter(refusal.message) ?? refusal.message
    this.#reportUnschedulable(queued, { message, rejectors: refusal.rejectors })
  }

  /** Decides on all pods of the popped one's group that wait. */
  #scheduleGroup(popped: QueuedPod): void {
    const members = this.queue.popGroupOf(popped)
    this.#decisions += members.length
    const [first = ''] = members.map(({ shape }) => shape.schedulerName)
    const other = members.find(({ shape }) => shape.schedulerName !== first)
    if (other !== undefined) {
      const message = `all pods in a single pod group should have the same .spec.schedulerName set, got: "${first}" and "${other.shape.schedulerName}"`
      for (const queued of members) this.#reportError(queued, new Error(message))
      return
    }
    const run = (signal?: AbortSignal): Promise<void> => this.#runGroupCycle(popped, members, signal)
    const areAsked = members.some(({ pod }) => this.#extenders.interestedIn(pod) !== undefined)
    if (areAsked) this.#ask(members, run)
    else void run()
  }

  async #runGroupCycle(popped: QueuedPod, members: readonly QueuedPod[], signal?: AbortSignal): Promise<void> {
    const extendersFor = ({ pod }: QueuedPod): readonly HttpExtender[] | undefined =>
      signal === undefined ? undefined : this.#extenders.interestedIn(pod)
    const parts = {
      cluster: this.cluster,
      picker: this.#picker,
      binder: this.#binder,
      isQueued: (queued: QueuedPod) => this.#isQueued(queued),
      decide: (queued: QueuedPod, profile: Profile) => {
        const extenders = extendersFor(queued)
        return extenders === undefined
          ? this.#picker.pick(queued.pod, queued.shape, profile)
          : this.#askingPicker.pick(queued, profile, extenders, signal as AbortSignal)
      },
      makeRoom: (queued: QueuedPod, profile: Profile, failed: FailedDecision) => {
        const extenders = extendersFor(queued)
        return extenders === undefined
          ? makeRoom(profile, failed)
          : this.#makeRoomAsking(queued, profile, failed, extenders, signal as AbortSignal)
      },
      quietly: (act: () => void) => this.#quietly(act),
      nominate: ({ pod }: QueuedPod, nodeName: string) => this.#nominate(pod, nodeName),
      reportUnschedulable: (queued: QueuedPod, refusal: Refusal) => this.#reportUnschedulable(queued, refusal),
      reportError: (queued: QueuedPod, error: Error) => this.#reportError(queued, error),
    }
    const cycle = new GroupCycle(parts, this.#profileOf(popped))
    this.#groupCycle = cycle
    try {
      const verdict = await cycle.run(members, () => signal?.throwIfAborted())
      this.#writeGroupCondition(popped, verdict)
    } finally {
      if (this.#groupCycle === cycle) this.#groupCycle = undefined
    }
  }

  #quietly(act: () => void): void {
    this.#isQuiet = true
    try {
      act()
    } finally {
      this.#isQuiet = false
    }
  }

  #writeGroupCondition({ pod, shape }: QueuedPod, verdict: GroupVerdict): void {
    const { informer, nowMs, log } = this.#environment
    const write = groupStatusWrite(informer(podGroups), shape, verdict, nowMs())
    if (write === undefined) return
    this.#writer.add(write, (result) => {
      if (!('error' in result) || isNotFound(result.error) || isConflict(result.error)) return
      log('error', 'cannot write the condition of a pod group', {
        pod: formatKey(keyOf(pod)),
        error: result.error.message,
      })
    })
    this.#writer.flushSoon()
  }

  /** Promises the pod a node; '' takes the promise back. Other pods are decided on accordingly from now on, and its status says so. */
  #nominate(pod: SchedulablePod, nodeName: string): void {
    const uid = pod.metadata.uid ?? ''
    if (nodeName === '') this.cluster.nominations.delete(uid)
    else this.cluster.nominations.set(pod, this.cluster.shapes.shapeOf(pod), nodeName)
    const queued = this.queue.get(uid)
    if ((queued?.toldNode ?? pod.status?.nominatedNodeName ?? '') === nodeName) return
    if (queued !== undefined) queued.toldNode = nodeName
    const status = { nominatedNodeName: nodeName === '' ? null : nodeName }
    this.#patchStatus(pod, status)
  }

  #bound({ pod, uid, shape }: QueuedPod, nodeName: string): void {
    this.#boundCount++
    this.queue.delete(uid)
    this.cluster.nominations.delete(uid)
    const message = `Successfully assigned ${formatKey(keyOf(pod))} to ${nodeName}`
    this.#environment.recordEvent(pod, 'Normal', 'Scheduled', message, { component: shape.schedulerName })
  }

  #bindFailed(failure: BindFailure): void {
    const { queued, rejection, error } = failure
    const { uid } = queued
    // The pod's own news say that it is bound, or that it is gone.
    if (this.cluster.placedPod(uid)?.isAssumed !== true) return
    const forgotten = this.cluster.unplace(uid)
    if (forgotten !== undefined) this.#announce({ type: 'podRemoved', pod: forgotten })
    if (error !== undefined && isNotFound(error)) {
      this.queue.delete(uid)
      return
    }
    if (rejection.kind === 'unschedulable') this.#reportRejected(failure)
    else this.#reportBindError(failure)
    this.#setTimer()
  }

  #reportRejected({ queued, plugin, rejection }: BindFailure): void {
    const message = fitErrorMessage(1, new Map([[rejection.message, 1]]))
    this.#nominate(queued.pod, '')
    this.#reportUnschedulable(queued, { message, rejectors: [plugin] })
  }

  /** The bits of plugins by name; one without hints may be helped by any event. */
  #bitsOf({ shape }: QueuedPod, names: readonly string[]): number {
    const plugins = this.#profiles.get(shape.schedulerName)?.rejectors ?? []
    return names.reduce((bits, name) => {
      const index = plugins.findIndex((p) => p.name === name)
      return bits | (index < 0 ? anyEvent : 1 << index)
    }, 0)
  }

  #reportBindError({ queued, point, plugin, rejection, error }: BindFailure): void {
    this.#bindErrors++
    const { message } = rejection
    const told = plugin === '' ? message : `running ${point} plugin "${plugin}": ${message}`
    this.#reportError(queued, error ?? new Error(message), told)
  }

  /** The pod is tried again after its back-off. */
  #reportError(queued: QueuedPod, error: Error, message = error.message): void {
    this.queue.giveBackAfterError(queued, this.#environment.nowMs())
    this.#nominate(queued.pod, '')
    this.#recordFailure(queued, message)
    // A conflict tells that somebody else was quicker: the pod's own news says the rest.
    if (!isConflict(error)) this.#writeCondition(queued, 'SchedulerError', message)
  }

  #reportUnschedulable(queued: QueuedPod, { message, rejectors }: Refusal): void {
    this.#unschedulable++
    const bits = typeof rejectors === 'number' ? rejectors : this.#bitsOf(queued, rejectors)
    this.queue.giveBackUnschedulable(queued, bits, this.#environment.nowMs())
    // What has happened while extenders were asked would otherwise be missed.
    const isHelped =
      this.#deciding !== undefined &&
      (this.#meanwhile.length > meanwhileMax ||
        this.#meanwhile.some((event) => this.#mayHelp(event, queued.shape, bits)))
    if (isHelped) this.queue.activate(queued.uid, this.#environment.nowMs())
    this.#recordFailure(queued, message)
    this.#writeCondition(queued, 'Unschedulable', message)
  }

  #recordFailure({ pod, shape }: QueuedPod, message: string): void {
    const isTooLong = message.length > eventMessageMax
    const told = isTooLong ? `${message.slice(0, eventMessageMax - longMessageEnd.length)}${longMessageEnd}` : message
    this.#environment.recordEvent(pod, 'Warning', 'FailedScheduling', told, { component: shape.schedulerName })
  }

  /** Sets PodScheduled to False, unless the pod says just that already. */
  #writeCondition({ pod }: QueuedPod, reason: string, message: string): void {
    const known = pod.status?.conditions?.find((c) => c.type === 'PodScheduled')
    if (known?.status === 'False' && known.reason === reason && known.message === message) return
    const now = formatTime(this.#environment.nowMs())
    const lastTransitionTime = known?.status === 'False' ? (known.lastTransitionTime ?? now) : now
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      lastTransitionTime,
      reason,
      message,
    }
    this.#patchStatus(pod, { conditions: [condition] })
  }

  /** What one decision says of a pod, its condition and the node that it is promised, is one patch. */
  #patchStatus(pod: SchedulablePod, status: Readonly<Record<string, unknown>>): void {
    const uid = pod.metadata.uid ?? ''
    const open = this.#openPatches.get(uid)
    if (open !== undefined) return void Object.assign(open, status)
    const body = { ...status }
    this.#openPatches.set(uid, body)
    queueMicrotask(() => this.#openPatches.delete(uid))
    const write: BatchWrite = {
      verb: 'patch',
      resource: this.#environment.pods,
      key: keyOf(pod),
      patch: { type: 'strategic', body: { metadata: { uid: pod.metadata.uid }, status: body } },
      subresource: 'status',
    }
    this.#writer.add(write, (result: BatchResult) => {
      // A pod that is gone, or another of the same name, needs no status.
      if (!('error' in result) || isNotFound(result.error) || isConflict(result.error)) return
      const told = { pod: formatKey(keyOf(pod)), error: result.error.message }
      this.#environment.log('error', 'cannot write the status of a pod', told)
    })
  }

  /** Wakes when the next back-off ends, or when a pod has waited for an event for too long. */
  #setTimer(): void {
    if (!this.#isRunning) return
    const nowMs = this.#environment.nowMs()
    const atMs = this.queue.nextFlushMs
    if (this.#timerAtMs <= atMs && this.#timerAtMs > nowMs) return
    this.#cancelTimer()
    this.#timerAtMs = atMs
    if (atMs === Number.POSITIVE_INFINITY) return
    this.#cancelTimer = this.#environment.setTimer(
      () => {
        this.#timerAtMs = Number.POSITIVE_INFINITY
        this.#wake()
      },
      Math.max(0, atMs - nowMs),
    )
  }
}

type FailedDecision = { readonly cycle: Cycle; readonly search: FailedSearch }

/** Asks the postFilters one after the other until one makes room; who has to go has not gone yet. */
function makeRoom({ postFilters }: Profile, { cycle, search }: FailedDecision): PostFilterOutcome {
  const outcome = new PostFilterOutcome()
  for (const plugin of postFilters) if (outcome.takes(plugin.postFilter(cycle, search))) break
  return outcome
}
