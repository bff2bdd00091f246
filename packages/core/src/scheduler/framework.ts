import type { ClusterState, PlacedPod } from './cluster-state.ts'
import type { PodShape } from './pod-shape.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

/**
 * The extension points of kube-scheduler's framework, by column rather than by node: a filter or score is given all candidate
 * slots at once and loops over the node table's arrays itself. One decision runs at a time and without interruption, so a plugin
 * keeps what its preFilter or preScore computed in its own fields until the next.
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

/** Keeps pods out of the queue until they are ready to be tried. */
export interface PreEnqueuePlugin {
  readonly name: string
  /** Why the pod must wait; undefined when it need not. */
  preEnqueue(pod: SchedulablePod): string | undefined
}

/** What a preFilter found: nothing to filter, go on, go on with these nodes only, or no node can ever do. */
export type PreFilterResult =
  | 'skip'
  | 'filter'
  | { readonly nodeNames: ReadonlySet<string> }
  | { readonly rejection: string }

/** Says which nodes can take a pod. */
export interface FilterPlugin {
  readonly name: string
  preFilter(cycle: Cycle): PreFilterResult
  /**
   * Keeps those of `slots[0..count)` that can take the pod, in place and in order, and returns how many they are. The verdicts of the
   * pod's placement rules are current for these slots.
   */
  filter(cycle: Cycle, slots: Int32Array, count: number): number
  /** Why the slot was not kept, in kube-scheduler's words. Called after `filter`, within the same decision. */
  reasons(cycle: Cycle, slot: number): readonly string[]
  /** Whether a pod that this plugin rejected may fit after the event (kube-scheduler's queueing hints). */
  mayHelp(event: ClusterEvent, shape: PodShape, cluster: ClusterState): boolean
}

/** Says which of the nodes that can take a pod suit it best. */
export interface ScorePlugin {
  readonly name: string
  /** Prepares for scoring exactly these slots; `skip` when all would score alike. */
  preScore(cycle: Cycle, slots: Int32Array, count: number): 'skip' | 'score'
  /** Writes whole numbers from 0 (worst) to 100 into `scores[0..count)`. */
  score(cycle: Cycle, slots: Int32Array, count: number, scores: Float64Array): void
}

/** The plugins that pods of one `spec.schedulerName` are scheduled with. */
export interface Profile {
  readonly schedulerName: string
  readonly preEnqueue: readonly PreEnqueuePlugin[]
  /** In order: the first that rejects a node gives the reason. At most 31. */
  readonly filters: readonly FilterPlugin[]
  readonly scores: readonly { readonly plugin: ScorePlugin; readonly weight: number }[]
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
