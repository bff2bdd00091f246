import { formatMicroTime, isAlreadyExists, isConflict, isNotFound } from '@binnacle/apimachinery'
import { type Lease, leases } from '@binnacle/resources'
import type { Client } from './client.ts'

/** Times of an election, as kube-controller-manager's. */
export interface LeaderElectionOptions {
  readonly namespace: string
  readonly name: string
  /** Who stands: unique to the process. */
  readonly identity: string
  /** How long others wait after the last renewal before they take over; default 15,000. */
  readonly leaseMs?: number
  /** A leader that has not renewed for this long gives up; default 10,000. */
  readonly renewMs?: number
  /** Time between tries; default 2,000. */
  readonly retryMs?: number
}

/** What an election tells. */
export interface LeaderElectionHandler {
  onStarted(): void
  /** Leadership is lost, or given up by {@link LeaderElection.stop}. */
  onStopped(): void
  onError?(error: unknown): void
}

/**
 * Elects one of several processes by a Lease. Times of other processes are never compared with ours: a lease counts as expired when it has not
 * changed for its duration by our own clock (client-go `leaderelection`).
 */
export class LeaderElection {
  readonly #client: Client
  readonly #options: Required<LeaderElectionOptions>
  readonly #handler: LeaderElectionHandler
  #observed: { text: string; atMs: number } = { text: '', atMs: 0 }
  #renewedAtMs = 0
  #leading = false
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(client: Client, options: LeaderElectionOptions, handler: LeaderElectionHandler) {
    this.#client = client
    this.#options = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2000, ...options }
    this.#handler = handler
  }

  get isLeader(): boolean {
    return this.#leading
  }

  start(): void {
    this.#running = this.#round()
  }

  /** Stops standing; a leader releases the lease, so that a standby takes over at once. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
    if (!this.#leading) return
    this.#leading = false
    this.#handler.onStopped()
    await this.#release().catch((error: unknown) => this.#handler.onError?.(error))
  }

  async #round(): Promise<void> {
    try {
      const won = await this.#tryAcquire()
      if (won) this.#renewedAtMs = Date.now()
      if (won && !this.#leading && !this.#stopped) {
        this.#leading = true
        this.#handler.onStarted()
      } else if (!won && this.#leading) this.#lose()
    } catch (error) {
      this.#handler.onError?.(error)
      if (this.#leading && Date.now() - this.#renewedAtMs > this.#options.renewMs) this.#lose()
    }
    if (this.#stopped) return
    this.#timer = setTimeout(
      () => {
        this.#running = this.#round()
      },
      this.#options.retryMs * (this.#leading ? 1 : 0.8 + Math.random() * 0.4),
    )
  }

  #lose(): void {
    this.#leading = false
    this.#handler.onStopped()
  }

  async #tryAcquire(): Promise<boolean> {
    const { namespace, name, identity } = this.#options
    try {
      const lease = await this.#client.get(leases, { namespace, name })
      const text = JSON.stringify(lease.spec)
      if (text !== this.#observed.text) this.#observed = { text, atMs: Date.now() }
      const holder = lease.spec?.holderIdentity ?? ''
      const expired = Date.now() - this.#observed.atMs > (lease.spec?.leaseDurationSeconds ?? 0) * 1000
      if (holder !== '' && holder !== identity && !expired) return false
      const updated = await this.#client.update(leases, { ...lease, spec: this.#spec(lease, holder) })
      this.#observed = { text: JSON.stringify(updated.spec), atMs: Date.now() }
      return true
    } catch (error) {
      if (isConflict(error)) return false
      if (!isNotFound(error)) throw error
      return await this.#create()
    }
  }

  async #create(): Promise<boolean> {
    const { namespace, name } = this.#options
    try {
      await this.#client.create(leases, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace },
        spec: this.#spec(undefined, ''),
      })
      return true
    } catch (error) {
      if (isAlreadyExists(error)) return false
      throw error
    }
  }

  #spec(lease: Lease | undefined, holder: string): NonNullable<Lease['spec']> {
    const { identity, leaseMs } = this.#options
    const now = formatMicroTime(Date.now())
    const mine = holder === identity
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.round(leaseMs / 1000)),
      acquireTime: mine ? (lease?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (lease === undefined || mine ? 0 : 1),
    }
  }

  async #release(): Promise<void> {
    const { namespace, name, identity } = this.#options
    const lease = await this.#client.get(leases, { namespace, name })
    if (lease.spec?.holderIdentity !== identity) return
    await this.#client.update(leases, {
      ...lease,
      spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: formatMicroTime(Date.now()) },
    })
  }
}
