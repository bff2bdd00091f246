import { Heap } from './heap.ts'
import type { PodShape } from './pod-shape.ts'
import { prioritySort } from './plugins/priority-sort.ts'
import type { QueueSortPlugin } from './framework.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

/**
 * The pods that wait for a node, each in one of these states:
 *
 *   active ──pop──▶ in flight ──done──▶ (gone)
 *     ▲               │    └─error────────────┐
 *     │            no node fits               ▼
 *     │               ▼      event/timeout  backing off ──time──▶ active
 *     │          unschedulable ────────────▶  (while its back-off lasts; else straight to active)
 *   gated (leaves when its preEnqueue plugins let it: after its own change, or after an event that may help)
 */
export type QueueState = 'active' | 'inFlight' | 'backingOff' | 'unschedulable' | 'gated'

/** First and longest pause of a pod that was tried in vain, in milliseconds (kube-scheduler's podInitialBackoffSeconds, podMaxBackoffSeconds). */
export interface Backoff {
  readonly initialMs: number
  readonly maxMs: number
}

/** The pauses when a configuration says nothing. */
export const backoffDefaults: Backoff = { initialMs: 1_000, maxMs: 10_000 }
/** A pod that no event helped is tried again after this long (kube-scheduler `DefaultPodMaxInUnschedulablePodsDuration`). */
export const unschedulableMaxMs = 5 * 60_000

/** A pod in the queue. */
export interface QueuedPod {
  readonly uid: string
  pod: SchedulablePod
  shape: PodShape
  state: QueueState
  /** The preEnqueue plugin that keeps it out; undefined: none does. */
  gatedBy: string | undefined
  priority: number
  /** When it was last put into the queue or found unschedulable. */
  queuedAtMs: number
  readonly sequence: number
  attempts: number
  /** Bits of the filters that rejected it when it was last tried. */
  rejectors: number
  /** Waits for something of its own, however many times over, before events are to help it. */
  holds: number
  /** An event would have helped it while it was held. */
  isMissed: boolean
  /** The node that its status promises it, as far as this scheduler has written it; undefined: it has written none. */
  toldNode: string | undefined
  /** When its back-off ends; only meaningful once it has been tried. */
  backoffEndsAtMs: number
  heapIndex: number
}

/** How many pods are in each state. */
export type QueueCounts = Readonly<Record<QueueState, number>>

/** Whether an event may help pods of a shape that these filters rejected. */
export type MayHelp = (shape: PodShape, rejectors: number) => boolean

/** kube-scheduler's scheduling queue. Times are given by the caller, so that it needs no clock. */
export class SchedulingQueue {
  readonly #pods = new Map<string, QueuedPod>()
  readonly #active: Heap<QueuedPod>
  readonly #backingOff = new Heap<QueuedPod>((a, b) => a.backoffEndsAtMs - b.backoffEndsAtMs || a.sequence - b.sequence)
  /** By shape: an event is judged once for all pods that are alike. */
  readonly #unschedulable = new Map<PodShape, Set<QueuedPod>>()
  /** By the plugin that keeps them out, then by shape, likewise. */
  readonly #gated = new Map<string, Map<PodShape, Set<QueuedPod>>>()
  /** Pods that name a group, in whatever state, by namespace and group. */
  readonly #groups = new Map<string, Set<QueuedPod>>()
  readonly #counts: Record<QueueState, number> = { active: 0, inFlight: 0, backingOff: 0, unschedulable: 0, gated: 0 }
  readonly #backoff: Backoff
  #sequence = 0
  /** No unschedulable pod has waited for too long before this. */
  #staleAtMs = Number.POSITIVE_INFINITY

  constructor(order: QueueSortPlugin = prioritySort, backoff: Backoff = backoffDefaults) {
    this.#backoff = backoff
    this.#active = new Heap<QueuedPod>((a, b) => order.compare(a, b))
  }

  /** Pods by state. */
  get counts(): QueueCounts {
    return this.#counts
  }

  /** The pods that a preEnqueue plugin keeps out, alike ones together. */
  gatedBy(plugin: string): Iterable<readonly [shape: PodShape, pods: ReadonlySet<Readonly<QueuedPod>>]> {
    return this.#gated.get(plugin) ?? []
  }

  /** The pod as it is queued. */
  get(uid: string): QueuedPod | undefined {
    return this.#pods.get(uid)
  }

  /**
   * Takes over a pod that has no node yet, new or changed; `gatedBy` is the preEnqueue plugin that keeps it out. `isHelped` says whether a change of what scheduling reads makes an unschedulable
   * pod worth another try; other changes do not.
   */
  set(
    pod: SchedulablePod,
    shape: PodShape,
    gatedBy: string | undefined,
    nowMs: number,
    isHelped: (before: Readonly<QueuedPod>) => boolean = () => true,
  ): void {
    const uid = pod.metadata.uid ?? ''
    const known = this.#pods.get(uid)
    if (known === undefined) {
      this.#add(uid, pod, shape, gatedBy, nowMs)
      return
    }
    const isChanged = known.shape !== shape
    const priority = pod.spec.priority ?? 0
    const isMoved = isChanged || known.priority !== priority || known.gatedBy !== gatedBy
    known.pod = pod
    if (!isMoved || known.state === 'inFlight') {
      known.priority = known.state === 'inFlight' ? priority : known.priority
      known.shape = shape
      return
    }
    const before = known.state
    const isRequeued = before === 'unschedulable' && isChanged && isHelped(known)
    this.#leave(known)
    known.shape = shape
    known.priority = priority
    known.gatedBy = gatedBy
    if (gatedBy !== undefined) this.#enter(known, 'gated')
    else if (before === 'gated') {
      // Pods that were waiting for each other go one after the other.
      known.queuedAtMs = nowMs
      this.#enter(known, 'active')
    } else if (isRequeued) this.#requeue(known, nowMs)
    else this.#enter(known, before)
  }

  /** Takes over what has changed of a pod that is being bound: it matters when that fails. */
  updateInFlight(pod: SchedulablePod, shapeOf: () => PodShape): void {
    const queued = this.#pods.get(pod.metadata.uid ?? '')
    if (queued?.state !== 'inFlight') return
    queued.pod = pod
    queued.shape = shapeOf()
    queued.priority = pod.spec.priority ?? 0
  }

  /** Forgets a pod: it is gone, or it has a node. */
  delete(uid: string): void {
    const queued = this.#pods.get(uid)
    if (queued === undefined) return
    this.#leave(queued)
    this.#pods.delete(uid)
    const group = groupOf(queued.shape)
    if (group === undefined) return
    const members = this.#groups.get(group)
    members?.delete(queued)
    if (members?.size === 0) this.#groups.delete(group)
  }

  /** The next pod to try; it is in flight until it is deleted or given back. */
  pop(): QueuedPod | undefined {
    const queued = this.#active.peek()
    if (queued === undefined) return undefined
    this.#leave(queued)
    queued.attempts++
    this.#enter(queued, 'inFlight')
    return queued
  }

  /**
   * Takes those of the popped pod's group besides it that nothing keeps out and that are not under way. All together, the most important first, then in
   * the order in which they came.
   */
  popGroupOf(popped: QueuedPod): QueuedPod[] {
    const others = [...(this.#groups.get(groupOf(popped.shape) ?? '') ?? [])].filter(
      ({ state }) => state !== 'inFlight' && state !== 'gated',
    )
    for (const queued of others) {
      this.#leave(queued)
      queued.attempts++
      this.#enter(queued, 'inFlight')
    }
    return [popped, ...others].toSorted((a, b) => b.priority - a.priority || a.sequence - b.sequence)
  }

  /** Gives back a pod that fits no node: it waits for an event that may help. */
  giveBackUnschedulable(queued: QueuedPod, rejectors: number, nowMs: number): void {
    queued.rejectors = rejectors
    this.#giveBack(queued, 'unschedulable', nowMs)
  }

  /** Gives back a pod whose binding failed: it is tried again after its back-off. */
  giveBackAfterError(queued: QueuedPod, nowMs: number): void {
    this.#giveBack(queued, 'backingOff', nowMs)
  }

  /** Lets an unschedulable pod be tried again, after its back-off. */
  activate(uid: string, nowMs: number): void {
    const queued = this.#pods.get(uid)
    if (queued?.state === 'unschedulable') this.#help(queued, nowMs)
  }

  /** Keeps a pod from being helped by events until it is let go as often as it is held: none is missed. */
  hold(uid: string): void {
    const queued = this.#pods.get(uid)
    if (queued !== undefined) queued.holds++
  }

  /** See {@link hold}. */
  letGo(uid: string, nowMs: number): void {
    const queued = this.#pods.get(uid)
    if (queued === undefined || --queued.holds > 0 || !queued.isMissed) return
    queued.isMissed = false
    if (queued.state === 'unschedulable') this.#help(queued, nowMs)
  }

  #help(queued: QueuedPod, nowMs: number): void {
    if (queued.holds > 0) {
      queued.isMissed = true
      return
    }
    this.#leave(queued)
    this.#requeue(queued, nowMs)
  }

  /** Moves the unschedulable pods that an event may help. */
  move(mayHelp: MayHelp, nowMs: number): void {
    for (const [shape, pods] of this.#unschedulable) {
      const verdicts = new Map<number, boolean>()
      for (const queued of pods) {
        const verdict = verdicts.get(queued.rejectors) ?? mayHelp(shape, queued.rejectors)
        verdicts.set(queued.rejectors, verdict)
        if (verdict) this.#help(queued, nowMs)
      }
    }
  }

  /** Makes those active whose back-off is over, and moves those on that have been unschedulable for too long. */
  flush(nowMs: number): void {
    for (
      let next = this.#backingOff.peek();
      next !== undefined && next.backoffEndsAtMs <= nowMs;
      next = this.#backingOff.peek()
    ) {
      this.#leave(next)
      this.#enter(next, 'active')
    }
    if (nowMs >= this.#staleAtMs) this.#moveStale(nowMs)
  }

  /** When {@link flush} has something to do next; Infinity: not before the queue changes. */
  get nextFlushMs(): number {
    return Math.min(this.#backingOff.peek()?.backoffEndsAtMs ?? Number.POSITIVE_INFINITY, this.#staleAtMs)
  }

  #moveStale(nowMs: number): void {
    this.#staleAtMs = Number.POSITIVE_INFINITY
    for (const pods of this.#unschedulable.values()) {
      for (const queued of pods) {
        const staleAtMs = queued.queuedAtMs + unschedulableMaxMs
        if (staleAtMs > nowMs) {
          this.#staleAtMs = Math.min(this.#staleAtMs, staleAtMs)
          continue
        }
        this.#leave(queued)
        this.#requeue(queued, nowMs)
      }
    }
  }

  #add(uid: string, pod: SchedulablePod, shape: PodShape, gatedBy: string | undefined, nowMs: number): void {
    const queued: QueuedPod = {
      uid,
      pod,
      shape,
      state: 'gated',
      gatedBy,
      priority: pod.spec.priority ?? 0,
      queuedAtMs: nowMs,
      sequence: ++this.#sequence,
      attempts: 0,
      rejectors: 0,
      holds: 0,
      isMissed: false,
      toldNode: undefined,
      backoffEndsAtMs: 0,
      heapIndex: -1,
    }
    this.#pods.set(uid, queued)
    const group = groupOf(shape)
    if (group !== undefined) {
      const members = this.#groups.get(group)
      if (members === undefined) this.#groups.set(group, new Set([queued]))
      else members.add(queued)
    }
    this.#enter(queued, gatedBy === undefined ? 'active' : 'gated')
  }

  #giveBack(queued: QueuedPod, state: 'unschedulable' | 'backingOff', nowMs: number): void {
    if (this.#pods.get(queued.uid) !== queued || queued.state !== 'inFlight') return
    queued.queuedAtMs = nowMs
    queued.backoffEndsAtMs = nowMs + backoffMs(queued.attempts, this.#backoff)
    this.#leave(queued)
    this.#enter(queued, state)
  }

  #requeue(queued: QueuedPod, nowMs: number): void {
    this.#enter(queued, queued.attempts > 0 && queued.backoffEndsAtMs > nowMs ? 'backingOff' : 'active')
  }

  #enter(queued: QueuedPod, state: QueueState): void {
    queued.state = state
    this.#counts[state]++
    if (state === 'active') this.#active.push(queued)
    else if (state === 'gated') enter(mapOf(this.#gated, queued.gatedBy ?? ''), queued)
    else if (state === 'backingOff') this.#backingOff.push(queued)
    else if (state === 'unschedulable') {
      this.#staleAtMs = Math.min(this.#staleAtMs, queued.queuedAtMs + unschedulableMaxMs)
      enter(this.#unschedulable, queued)
    }
  }

  #leave(queued: QueuedPod): void {
    this.#counts[queued.state]--
    if (queued.state === 'active') this.#active.remove(queued)
    else if (queued.state === 'gated') leave(mapOf(this.#gated, queued.gatedBy ?? ''), queued)
    else if (queued.state === 'backingOff') this.#backingOff.remove(queued)
    else if (queued.state === 'unschedulable') leave(this.#unschedulable, queued)
  }
}

/** A pod's group never changes. */
const groupOf = ({ namespace, schedulingGroup }: PodShape): string | undefined =>
  schedulingGroup === undefined ? undefined : `${namespace}/${schedulingGroup}`

type PodsByShape = Map<PodShape, Set<QueuedPod>>

function mapOf(byPlugin: Map<string, PodsByShape>, plugin: string): PodsByShape {
  let byShape = byPlugin.get(plugin)
  if (byShape === undefined) byPlugin.set(plugin, (byShape = new Map()))
  return byShape
}

function enter(byShape: PodsByShape, queued: QueuedPod): void {
  const alike = byShape.get(queued.shape)
  if (alike === undefined) byShape.set(queued.shape, new Set([queued]))
  else alike.add(queued)
}

function leave(byShape: PodsByShape, queued: QueuedPod): void {
  const alike = byShape.get(queued.shape)
  alike?.delete(queued)
  if (alike?.size === 0) byShape.delete(queued.shape)
}

/** The pause after the given number of tries: it doubles from the first up to the longest. */
export function backoffMs(attempts: number, { initialMs, maxMs }: Backoff): number {
  return Math.min(maxMs, initialMs * 2 ** Math.min(attempts - 1, 62))
}
