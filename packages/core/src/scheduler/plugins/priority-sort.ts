/** What the order of tries depends on. */
export interface Sortable {
  readonly priority: number
  /** When the pod was last put into the queue. */
  readonly queuedAtMs: number
  /** Breaks ties by order of arrival. */
  readonly sequence: number
}

/** Higher priority first, then who waits longest (kube-scheduler `PrioritySort`). Negative when `a` goes first. */
export function prioritySort(a: Sortable, b: Sortable): number {
  return b.priority - a.priority || a.queuedAtMs - b.queuedAtMs || a.sequence - b.sequence
}
