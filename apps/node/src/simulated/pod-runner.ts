import { isConflict, isNotFound, keyOf } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import type { ContainerMetrics, ResourceDefinition } from '@binnacle/resources'
import type { Pod } from './pod.ts'
import type { ContainerEvent } from './simulated-container.ts'
import type { SimulatedPod } from './simulated-pod.ts'
import type { Timeline } from './timeline.ts'
import type { WriteBatcher, WriteSource } from './write-batcher.ts'

/** What a {@link PodRunner} needs around it. */
export interface PodRunnerEnvironment {
  readonly pods: ResourceDefinition<any>
  readonly timeline: Timeline
  readonly batcher: WriteBatcher
  nowMs(): number
  tell(pod: Pod, event: ContainerEvent): void
  logError(message: string, fields: Readonly<Record<string, unknown>>): void
}

/** Pause after a write that failed for a passing reason. */
const retryMs = 1_000

/** Moves one simulated pod on and reports what it does: advances it when something is due, writes its status, deletes it in the end. */
export class PodRunner implements WriteSource {
  readonly #environment: PodRunnerEnvironment
  readonly #simulated: SimulatedPod
  #wakeAtMs = Number.POSITIVE_INFINITY
  /** True once nothing is left to do: the pod is gone, or is not ours any more. */
  #isOver = false
  #isWritingLastState = false
  #isLastStateWritten = false
  #isDeleting = false

  constructor(environment: PodRunnerEnvironment, simulated: SimulatedPod) {
    this.#environment = environment
    this.#simulated = simulated
  }

  /** The address that the pod has of its node's range. */
  get ownAddress(): string | undefined {
    return this.#simulated.ownAddress
  }

  /** The pod's uid, and what its containers use; undefined: nobody has asked for it. */
  get usage(): { readonly uid: string; readonly containers: readonly ContainerMetrics[] } | undefined {
    const { usage, pod } = this.#simulated
    return usage === undefined ? undefined : { uid: pod.metadata.uid ?? '', containers: usage }
  }

  /** Takes up the pod: a new one is reported as accepted, one that ran before goes on, without a word where the cluster knows how it is. */
  start(): void {
    const { pod, isSaidNotReady } = this.#simulated
    if (pod.status?.startTime === undefined) this.#environment.batcher.add(this, { canWait: true })
    else if (isSaidNotReady) this.#report()
    this.update(pod)
  }

  /** Takes over the pod as it is now. */
  update(pod: Pod): void {
    if (this.#isOver) return
    if (this.#simulated.update(pod, this.#environment.nowMs())) this.#report()
    this.#advance()
  }

  /** Does nothing more. */
  end(): void {
    this.#isOver = true
    this.#environment.batcher.remove(this)
  }

  takeWrites(): readonly BatchWrite[] {
    if (this.#isOver) return []
    const { pod, isStopped } = this.#simulated
    const key = keyOf(pod)
    const { uid } = pod.metadata
    const { pods } = this.#environment
    const status = this.#simulated.status(this.#environment.nowMs())
    // Writes of one request happen in any order, so the deletion has its own, after the last state.
    this.#isDeleting = isStopped && this.#isLastStateWritten
    if (this.#isDeleting) {
      const options = { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { preconditions: { uid } }) }
      return [{ verb: 'delete', resource: pods, key, options }]
    }
    this.#isWritingLastState = isStopped
    // The conditions of a patch are merged into those there are: what one no longer has must be taken away by name.
    const conditions = (status.conditions ?? []).map((condition) => ({ reason: null, message: null, ...condition }))
    const patch = { type: 'strategic', body: { metadata: { uid }, status: { ...status, conditions } } } as const
    return [{ verb: 'patch', resource: pods, key, patch, subresource: 'status' }]
  }

  written([result]: readonly BatchResult[]): void {
    if (this.#isOver || result === undefined) return
    if (!('error' in result)) {
      if (this.#isDeleting) this.end()
      else if (this.#isWritingLastState) {
        this.#isLastStateWritten = true
        this.#report()
      }
      return
    }
    if (isNotFound(result.error) || isConflict(result.error)) {
      this.end()
      return
    }
    const { name, namespace } = this.#simulated.pod.metadata
    this.#environment.logError('cannot write the state of a pod', { namespace, name, error: result.error.message })
    this.#environment.timeline.at(this.#environment.nowMs() + retryMs, () => this.#report())
  }

  #advance(): void {
    const { isChanged, events } = this.#simulated.advance(this.#environment.nowMs())
    for (const event of events) this.#environment.tell(this.#simulated.pod, event)
    if (isChanged) this.#report()
    this.#wakeWhenDue()
  }

  #wakeWhenDue(): void {
    const atMs = this.#simulated.nextAtMs
    if (atMs >= this.#wakeAtMs) return
    this.#wakeAtMs = atMs
    this.#environment.timeline.at(atMs, () => {
      // Overtaken by an earlier waking.
      if (this.#wakeAtMs !== atMs) return
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      if (!this.#isOver) this.#advance()
    })
  }

  #report(): void {
    if (!this.#isOver) this.#environment.batcher.add(this, { canWait: false })
  }
}
