import type { KubernetesObject } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite, Client, EventRecorder, Informer } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import type { Log } from '../controller.ts'
import type { ClusterState, PlacedPod } from './cluster-state.ts'
import type { DefaultSelectors } from './default-selector.ts'
import type { PluginArgs } from './plugin-args.ts'
import type { PodShape } from './pod-shape.ts'
import type { Sortable } from './plugins/priority-sort.ts'
import type { SchedulablePod } from './scheduled-objects.ts'
import type { WaitingPods } from './waiting-pods.ts'

/**
 * The extension points of kube-scheduler's framework, by column rather than by node: a filter or score is given all candidate
 * slots at once and loops over the node table's arrays itself. One decision runs at a time and without interruption up to permit, so a
 * plugin keeps what its preFilter or preScore computed in its own fields until the next; what preBind and later points need of a
 * decision it keeps by the pod's uid from reserve on.
 *
 *   preEnqueue → queueSort → preFilter, filter → postFilter (when nothing fits) → preScore, score → reserve → permit
 *     → preBind → bind → postBind
 */

/** What one decision is about. */
export interface Cycle {
  readonly cluster: ClusterState
  readonly pod: SchedulablePod
  readonly shape: PodShape
}

/** Something that may let a waiting pod fit. */
export type ClusterEvent =
  /** A node came or changed; `change` has nodeChange bits. */
  | { readonly type: 'node'; readonly slot: number; readonly change: number }
  | { readonly type: 'nodeRemoved' }
  /** A pod is counted on its node, or no longer counted there. A change of a pod is both. */
  | { readonly type: 'podPlaced' | 'podRemoved'; readonly pod: PlacedPod }
  /** The waiting pod itself changed in what scheduling reads; `before` is its shape until now. */
  | { readonly type: 'podUpdated'; readonly before: PodShape }
  /** Another object that plugins read came, changed or went (volumes, claims, classes); told by the plugin that follows it. */
  | {
      readonly type: 'object'
      readonly kind: string
      readonly change: 'add' | 'update' | 'delete'
      readonly object: KubernetesObject
      readonly old?: KubernetesObject | undefined
    }

/** Why a plugin after the filters turns a pod down: for now (`unschedulable`), or because something went wrong. */
export interface Rejection {
  readonly kind: 'unschedulable' | 'error'
  readonly message: string
}

/** In the rejectors of a pod that somebody without hints rejected: any event may help. */
export const anyEvent = 1 << 31

/** Keeps pods out of the queue until they are ready to be tried. */
export interface PreEnqueuePlugin {
  readonly name: string
  /** Why the pod must wait; undefined when it need not. */
  preEnqueue(pod: SchedulablePod): string | undefined
  /**
   * Whether a pod that this plugin keeps out may be ready after the event. Absent: only a change of the pod itself is a reason to ask
   * again.
   */
  mayHelp?(event: ClusterEvent, shape: PodShape, cluster: ClusterState): boolean
  /** The kinds of objects that `mayHelp` looks at, when it looks at nothing else: of other events it is not asked. */
  readonly helpedBy?: readonly string[]
}

/** The order in which pods are tried; all profiles of a scheduler have the same. */
export interface QueueSortPlugin {
  readonly name: string
  /** Negative when `a` goes first. */
  compare(a: Sortable, b: Sortable): number
}

/** What a preFilter found: nothing to filter, go on, go on with these nodes only, or no node can ever do. */
export type PreFilterResult =
  | 'skip'
  | 'filter'
  | { readonly nodeNames: ReadonlySet<string> }
  | { readonly rejection: string }

/** Tells after which events a pod that the plugin rejected is worth another try (kube-scheduler's queueing hints). */
export interface RequeueHints {
  readonly name: string
  /** Whether a pod that this plugin rejected may fit after the event. */
  mayHelp(event: ClusterEvent, shape: PodShape, cluster: ClusterState): boolean
}

/** Says which nodes can take a pod. */
export interface FilterPlugin extends RequeueHints {
  preFilter(cycle: Cycle): PreFilterResult
  /**
   * What of the pods on a node its verdict depends on: nothing, or what they request only. Absent: anything. Lets preemption reckon with
   * requests alone where no other filter has a say.
   */
  readonly looksAt?: 'nothing' | 'requests'
  /** Whether its verdict on a slot depends on the pod's shape, the node and the pods on it alone, so that it may be remembered until one of these changes. */
  readonly isSlotwise?: boolean
  /**
   * Keeps those of `slots[0..count)` that can take the pod, in place and in order, and returns how many they are. The verdicts of the
   * pod's placement rules are current for these slots.
   */
  filter(cycle: Cycle, slots: Int32Array, count: number): number
  /** Why the slot was not kept, in kube-scheduler's words. Called after `filter`, within the same decision. */
  reasons(cycle: Cycle, slot: number): readonly string[]
  /**
   * Whether the slot that was not kept might be kept if pods left it: kube-scheduler's Unschedulable in place of
   * UnschedulableAndUnresolvable. Called as `reasons` is.
   */
  mayYield(cycle: Cycle, slot: number): boolean
}

/** Why a pod fits nowhere, for postFilters. */
export interface FailedSearch {
  /** Slots whose rejection may be mended if pods leave them. */
  readonly yielding: Int32Array
  /** Nodes that are not among them. */
  readonly unyieldingCount: number
  readonly filters: readonly FilterPlugin[]
}

/** Pods that have to go so that another can have their node. */
export interface Eviction {
  readonly victims: readonly PlacedPod[]
  /** Makes them go. */
  go(): void
}

/** What a postFilter made of it. */
export interface PostFilterResult {
  /** Who has to go for the nomination; a pod of a group waits for what comes of the others before anybody does. */
  readonly eviction?: Eviction
  /** The node that the pod is to have once it is free; '' to give up the one that it has been promised; undefined: leave it as it is. */
  readonly nominatedNodeName?: string | undefined
  /** Follows the reasons in the message when no node is nominated. */
  readonly message?: string | undefined
  /** Something went wrong: nobody else is asked, and only this plugin's message follows. */
  readonly isError?: boolean
}

/** Pods that are to leave a node, and how many of them a disruption budget would keep. */
export interface NodeVictims {
  readonly pods: readonly SchedulablePod[]
  readonly violations: number
}

/** Asks whom of the victims others agree to, by node. @throws Error in kube-scheduler's words when they cannot say */
export type VictimsReview = (victims: ReadonlyMap<string, NodeVictims>) => Promise<ReadonlyMap<string, NodeVictims>>

/** Tries to make room when no node can take a pod. */
export interface PostFilterPlugin {
  readonly name: string
  postFilter(cycle: Cycle, failed: FailedSearch): PostFilterResult
  /** As `postFilter`, where others have a say in whom to evict. Absent: they have none here. */
  postFilterReviewed?(cycle: Cycle, failed: FailedSearch, review: VictimsReview): Promise<PostFilterResult>
}

/** Says which of the nodes that can take a pod suit it best. */
export interface ScorePlugin {
  readonly name: string
  /** Whether a slot's score depends on the pod's shape, the node and the pods on it alone, so that it may be remembered until one of these changes. */
  readonly isSlotwise?: boolean
  /** True when it would score all nodes alike, whichever of them are candidates. Absent: it cannot tell without them. */
  saysNothing?(cycle: Cycle): boolean
  /** Prepares for scoring exactly these slots; `skip` when all would score alike. */
  preScore(cycle: Cycle, slots: Int32Array, count: number): 'skip' | 'score'
  /** Writes whole numbers from 0 (worst) to 100 into `scores[0..count)`. */
  score(cycle: Cycle, slots: Int32Array, count: number, scores: Float64Array): void
}

/** Sets aside what the pod will use on its node besides what the node table counts. */
export interface ReservePlugin {
  readonly name: string
  /** Called within the decision, after its filters; the pod is already counted on the slot. Undefined: reserved. */
  reserve(cycle: Cycle, slot: number): Rejection | undefined
  /** Takes it back: a later point turned the pod down, or the binding failed. Also called when `reserve` was not, or refused. */
  unreserve(placement: Placement): void
}

/** A permit plugin's wish that a pod wait. */
export interface Wait {
  readonly waitMs: number
  /** What for, in kube-scheduler's words. */
  readonly message: string
}

/** Lets a placed pod be bound, refuses it, or holds it. */
export interface PermitPlugin {
  readonly name: string
  /**
   * A pod to wait is held until {@link WaitingPods} allows it by every plugin that asked; after `waitMs` it is rejected. Of a pod of a group it is asked
   * as soon as the pod has a node, to see whether the group can be bound, and once more when it is to be.
   */
  permit(cycle: Cycle, slot: number): 'allow' | Rejection | Wait
  /** Pods of the same key are bound together: all of them or none. Asked when the binding is to be written. */
  together?(placement: Placement): string | undefined
  /** As {@link RequeueHints}; absent: any event may help. */
  mayHelp?(event: ClusterEvent, shape: PodShape, cluster: ClusterState): boolean
}

/** A pod with its node, on the way to being bound. */
export interface Placement {
  readonly pod: SchedulablePod
  readonly shape: PodShape
  readonly nodeName: string
}

/** Does what must be done before a pod is bound. */
export interface PreBindPlugin {
  readonly name: string
  /** False when there is nothing to do for the pod; then binding need not wait. Asked right after permit. */
  needsPreBind(placement: Placement): boolean
  /** Resolves when the pod may be bound. @throws Error in kube-scheduler's words; the signal ends waiting in vain */
  preBind(placement: Placement, signal: AbortSignal): Promise<void>
}

/** Binds a pod to its node. */
export interface BindPlugin {
  readonly name: string
  /**
   * A write that goes with those of other pods, or a binding of its own, which the signal is to end when the pod is gone; `skip` leaves it to the
   * next plugin.
   */
  bind(placement: Placement, signal: () => AbortSignal): BatchWrite | Promise<'bound' | 'skip'> | 'skip'
}

/** Learns that a pod is bound. */
export interface PostBindPlugin {
  readonly name: string
  postBind(placement: Placement): void
}

/** What one plugin does at the points that it extends. preFilter and filter go together, and so do preScore and score. */
export interface Plugin {
  readonly name: string
  readonly preEnqueue?: PreEnqueuePlugin
  readonly queueSort?: QueueSortPlugin
  readonly filter?: FilterPlugin
  readonly postFilter?: PostFilterPlugin
  readonly score?: ScorePlugin
  readonly reserve?: ReservePlugin
  readonly permit?: PermitPlugin
  readonly preBind?: PreBindPlugin
  readonly bind?: BindPlugin
  readonly postBind?: PostBindPlugin
}

/** What plugins are made with. */
export interface SchedulerHandle {
  readonly cluster: ClusterState
  readonly defaults: DefaultSelectors
  readonly client: Client
  readonly waitingPods: WaitingPods
  readonly recordEvent: EventRecorder['record']
  readonly log: Log
  nowMs(): number
  /** Calls back once after the given time; returns how to call it off. */
  setTimer(callback: () => void, afterMs: number): () => void
  /** The shared informer of a resource that the plugin's definition names in `reads`. */
  informer<T extends KubernetesObject>(resource: ResourceDefinition<T>): Informer<T>
  /** Tells of a change that only plugins follow, so that pods which it may help are tried again. */
  announce(event: ClusterEvent): void
  /** Queues a write that goes with those of other pods; `settle` learns what came of it. */
  write(write: BatchWrite, settle: (result: BatchResult) => void): void
  /** Takes back the node that a pod is promised, in its status too. */
  withdrawNomination(pod: SchedulablePod): void
  /** Lets a pod that waits be tried again. */
  activate(pod: SchedulablePod): void
  /** Keeps a pod that waits from being tried again until what is returned is called. Events that would have helped it do so then. */
  hold(pod: SchedulablePod): () => void
}

/** How a plugin of a name is made, once for each profile that has it. */
export interface PluginDefinition {
  readonly name: string
  /** Resources that it reads besides nodes, pods and what pods belong to. */
  readonly reads?: readonly ResourceDefinition<any>[]
  create(handle: SchedulerHandle, args: PluginArgs): Plugin
}

/** The plugins that pods of one `spec.schedulerName` are scheduled with. */
export interface Profile {
  readonly schedulerName: string
  /** How many per cent of the nodes to find before choosing; absent: as for all profiles. */
  readonly percentageOfNodesToScore?: number
  readonly preEnqueue: readonly PreEnqueuePlugin[]
  readonly queueSort: QueueSortPlugin
  /** In order: the first that rejects a node gives the reason. */
  readonly filters: readonly FilterPlugin[]
  readonly postFilters: readonly PostFilterPlugin[]
  readonly scores: readonly { readonly plugin: ScorePlugin; readonly weight: number }[]
  readonly reserve: readonly ReservePlugin[]
  readonly permit: readonly PermitPlugin[]
  readonly preBind: readonly PreBindPlugin[]
  readonly bind: readonly BindPlugin[]
  readonly postBind: readonly PostBindPlugin[]
  /** Those that may reject a pod, filters first: bit i of a queued pod's rejectors is the i-th. At most 31. */
  readonly rejectors: readonly RequeueHints[]
}

/** The best score (kube-scheduler `MaxNodeScore`). */
export const scoreMax = 100

/** Scales raw values from 0 to their greatest to 0..100, turned round where less is better (kube-scheduler `DefaultNormalizeScore`). */
export function normalize(scores: Float64Array, count: number, lessIsBetter: boolean): void {
  let greatest = 0
  for (let i = 0; i < count; i++) if ((scores[i] as number) > greatest) greatest = scores[i] as number
  for (let i = 0; i < count; i++) {
    const scaled = greatest === 0 ? 0 : Math.floor((scoreMax * (scores[i] as number)) / greatest)
    scores[i] = lessIsBetter ? scoreMax - scaled : scaled
  }
}
