import type { QueueSortPlugin } from '../framework.ts'

/** What the order of tries depends on. */
export interface Sortable {
  readonly priority: number
  /** When the pod was last put into the queue. */
  readonly queuedAtMs: number
  /** Breaks ties by order of arrival. */
  readonly sequence: number
}

/** Higher priority first, then who waits longest (kube-scheduler `PrioritySort`). */
export const prioritySort: QueueSortPlugin = {
  name: 'PrioritySort',
  compare: (a, b) => b.priority - a.priority || a.queuedAtMs - b.queuedAtMs || a.sequence - b.sequence,
}
