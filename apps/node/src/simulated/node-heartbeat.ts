import { formatMicroTime, isAlreadyExists, isNotFound } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import { leaseNamespace, leaseSeconds, nodeConditions, nodeLease, type NodeIdentity } from './node-object.ts'
import type { Timeline } from './timeline.ts'
import type { WriteBatcher, WriteSource } from './write-batcher.ts'

/** What a {@link NodeHeartbeat} needs around it. */
export interface HeartbeatEnvironment {
  readonly leases: ResourceDefinition<any>
  readonly nodes: ResourceDefinition<any>
  readonly timeline: Timeline
  readonly batcher: WriteBatcher
  nowMs(): number
  random(): number
}

/** How often a lease is renewed: a quarter of the time that it holds (kubelet `nodeLeaseRenewIntervalFraction`). */
const renewMs = (leaseSeconds * 1000) / 4
/** Renewals are put off by up to this share, so that those of many nodes do not come together. */
const jitter = 0.04
/** How often the conditions are written although nothing changed (kubelet `nodeStatusReportFrequency`). */
const statusMs = 5 * 60_000

/** Shows that one node lives: renews its lease, and now and then its conditions. */
export class NodeHeartbeat implements WriteSource {
  readonly #environment: HeartbeatEnvironment
  readonly #identity: NodeIdentity
  readonly #nodeUID: string
  #hasLease = true
  #renewedAtMs: number
  #readySinceMs: number
  #statusDueAtMs: number
  #isStatusDue = false

  /** The lease must have been written at `renewedAtMs`; the node has been ready since `readySinceMs`. */
  constructor(
    environment: HeartbeatEnvironment,
    identity: NodeIdentity,
    nodeUID: string,
    times: { renewedAtMs: number; readySinceMs: number },
  ) {
    this.#environment = environment
    this.#identity = identity
    this.#nodeUID = nodeUID
    this.#renewedAtMs = times.renewedAtMs
    this.#readySinceMs = times.readySinceMs
    this.#statusDueAtMs = times.renewedAtMs + statusMs * (0.5 + environment.random())
  }

  /** Begins, at a moment within the first period. */
  start(): void {
    this.#beatAt(this.#environment.nowMs() + renewMs * this.#environment.random())
  }

  takeWrites(): readonly BatchWrite[] {
    const { leases, nodes } = this.#environment
    const nowMs = this.#environment.nowMs()
    const { name } = this.#identity
    const key = { namespace: leaseNamespace, name }
    const spec = { holderIdentity: name, renewTime: formatMicroTime(nowMs) }
    const lease: BatchWrite = this.#hasLease
      ? { verb: 'patch', resource: leases, key, patch: { type: 'merge', body: { spec } } }
      : { verb: 'create', resource: leases, object: nodeLease(name, this.#nodeUID, nowMs) }
    this.#isStatusDue = nowMs >= this.#statusDueAtMs
    if (!this.#isStatusDue) return [lease]
    const status = { conditions: nodeConditions(this.#readySinceMs, nowMs) }
    const patch = { type: 'strategic', body: { status } } as const
    return [lease, { verb: 'patch', resource: nodes, key: { namespace: '', name }, patch, subresource: 'status' }]
  }

  written([lease, status]: readonly BatchResult[]): void {
    const nowMs = this.#environment.nowMs()
    if (this.#isStatusDue && status !== undefined && !('error' in status)) this.#statusDueAtMs = nowMs + statusMs
    if (lease === undefined) return
    if (!('error' in lease)) {
      this.#hasLease = true
      // Whoever watches leases has taken the node for dead meanwhile: say at once that it is not.
      if (nowMs - this.#renewedAtMs > leaseSeconds * 1000) {
        this.#readySinceMs = nowMs
        this.#statusDueAtMs = nowMs
        this.#environment.batcher.add(this, { canWait: false })
      }
      this.#renewedAtMs = nowMs
    } else if (isNotFound(lease.error)) this.#hasLease = false
    else if (isAlreadyExists(lease.error)) this.#hasLease = true
  }

  #beatAt(atMs: number): void {
    this.#environment.timeline.at(atMs, () => {
      this.#environment.batcher.add(this, { canWait: false })
      this.#beatAt(this.#environment.nowMs() + renewMs * (1 + jitter * this.#environment.random()))
    })
  }
}
