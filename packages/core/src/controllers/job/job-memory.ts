import type { Job } from '@binnacle/resources'
import { Expectations } from '../../expectations.ts'
import { type FailureRecord, noFailures } from './back-off.ts'

/** What the job controller remembers of a job from one reconcile to the next. All of it may be lost: it only guards against a cache that lags behind. */
export class JobMemory {
  /** Pods created and deleted that the cache has yet to show. */
  readonly expectations = new Expectations()
  readonly #failures = new Map<string, { uid: string; record: FailureRecord }>()
  readonly #released = new Map<string, Set<string>>()
  readonly #written = new Map<string, { uid: string; resourceVersion: number }>()

  /** Lately failed pods of the job. */
  failuresOf(key: string, job: Job): FailureRecord {
    const known = this.#failures.get(key)
    return known !== undefined && known.uid === job.metadata.uid ? known.record : noFailures
  }

  keepFailures(key: string, job: Job, record: FailureRecord): void {
    if (record.failures === 0) this.#failures.delete(key)
    else this.#failures.set(key, { uid: job.metadata.uid ?? '', record })
  }

  /**
   * Uids of pods whose finalizer was taken away, while the cache may still show it: they are counted already. To be asked for before the pods are
   * looked at; what is seen later does not change the answer.
   */
  releasedOf(key: string): ReadonlySet<string> {
    return new Set(this.#released.get(key))
  }

  expectRelease(key: string, uids: Iterable<string>): void {
    let released = this.#released.get(key)
    if (released === undefined) this.#released.set(key, (released = new Set()))
    for (const uid of uids) released.add(uid)
  }

  /** The finalizer is seen to be gone, or could not be taken away. */
  releaseSeen(key: string, uid: string): void {
    const released = this.#released.get(key)
    if (released?.delete(uid) === true && released.size === 0) this.#released.delete(key)
  }

  /** Remembers a status that was written. */
  statusWritten(key: string, job: Job): void {
    const { uid = '', resourceVersion = '0' } = job.metadata
    this.#written.set(key, { uid, resourceVersion: Number(resourceVersion) })
  }

  /**
   * False while the cache shows the job as it was before our own last write: counting from such a status would count anew what is counted, and
   * create pods for what is done.
   */
  isCurrent(key: string, job: Job): boolean {
    const written = this.#written.get(key)
    if (written === undefined || written.uid !== job.metadata.uid) return true
    if (Number(job.metadata.resourceVersion ?? '0') < written.resourceVersion) return false
    this.#written.delete(key)
    return true
  }

  forget(key: string): void {
    this.expectations.forget(key)
    this.#failures.delete(key)
    this.#released.delete(key)
    this.#written.delete(key)
  }
}
