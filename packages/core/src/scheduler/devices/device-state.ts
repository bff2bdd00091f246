import { formatKey, keyOf } from '@binnacle/apimachinery'
import type { Informer } from '@binnacle/client'
import {
  type AllocationResult,
  type DeviceClass,
  deviceClasses,
  resourceClaims,
  type ResourceClaimV1,
  type ResourceDefinition,
  resourceSlices,
} from '@binnacle/resources'
import type { ClusterState } from '../cluster-state.ts'
import type { SchedulerHandle } from '../framework.ts'
import { deviceId, DevicePools } from './device-pools.ts'

/** The resources that a {@link DeviceState} follows. */
export const deviceResources: readonly ResourceDefinition<any>[] = [resourceClaims, resourceSlices, deviceClasses]

/** Claims, devices and who has them, as decisions see them: with what has been decided and is being written. */
export class DeviceState {
  readonly #claims: Informer<ResourceClaimV1>
  readonly #classes: Informer<DeviceClass>
  readonly #handle: SchedulerHandle
  /** Claims as they were last written, until the informer has them. */
  readonly #written = new Map<string, ResourceClaimV1>()
  /** The last work on each claim that has to be done in turn, by its uid. */
  readonly #turns = new Map<string, Promise<unknown>>()
  /** Allocations under way, by the claim's uid. */
  readonly #underWay = new Map<string, AllocationUnderWay>()
  /** Devices that claims have for themselves, by the claim's uid, and how many claims have each. */
  readonly #devicesOf = new Map<string, readonly string[]>()
  readonly #users = new Map<string, number>()
  #pools: DevicePools | undefined

  constructor(handle: SchedulerHandle) {
    this.#handle = handle
    this.#claims = handle.informer(resourceClaims)
    this.#classes = handle.informer(deviceClasses)
    this.#claims.addHandler({
      onAdd: (claim) => this.#claimChanged(claim),
      onUpdate: (claim) => this.#claimChanged(claim),
      onDelete: (claim) => this.#claimDeleted(claim),
    })
    const forgetPools = (): void => void (this.#pools = undefined)
    handle.informer(resourceSlices).addHandler({ onAdd: forgetPools, onUpdate: forgetPools, onDelete: forgetPools })
    this.#announceChanges()
  }

  /** The claim of a key `namespace/name`. */
  claim(key: string): ResourceClaimV1 | undefined {
    const slash = key.indexOf('/')
    const actual = this.#claims.get({ namespace: key.slice(0, slash), name: key.slice(slash + 1) })
    const written = this.#written.get(key)
    return written !== undefined && actual !== undefined && isOlder(actual, written) ? written : actual
  }

  /** The device class of a name. */
  deviceClass(name: string): DeviceClass | undefined {
    return this.#classes.get({ namespace: '', name })
  }

  /** All devices. */
  get pools(): DevicePools {
    return (this.#pools ??= new DevicePools(this.#handle.informer(resourceSlices).all()))
  }

  /** True when a claim has the device for itself. */
  isInUse(id: string): boolean {
    return this.#users.has(id)
  }

  /** The claim's allocation that is being written, and for pods of which group. */
  underWay({ metadata }: ResourceClaimV1): Pick<AllocationUnderWay, 'allocation' | 'group'> | undefined {
    return this.#underWay.get(metadata.uid ?? '')
  }

  /** Resolves when no allocation of the claim is being written any more. @throws the signal's reason when that comes first */
  async settled({ metadata: { uid = '' } }: ResourceClaimV1, signal: AbortSignal): Promise<void> {
    const done = this.#underWay.get(uid)?.done
    if (done === undefined) return
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const giveUp = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    await Promise.race([done.promise, aborted]).finally(() => signal.removeEventListener('abort', giveUp))
  }

  /** Does some work once what was begun before on any of the claims is done: writes of one claim at once would only conflict. */
  async inTurn(claims: readonly ResourceClaimV1[], work: () => Promise<void>): Promise<void> {
    const uids = claims.map(({ metadata }) => metadata.uid ?? '')
    const mine = Promise.all(uids.map((uid) => this.#turns.get(uid))).then(work)
    const over = mine.catch(() => {})
    for (const uid of uids) this.#turns.set(uid, over)
    try {
      await mine
    } finally {
      for (const uid of uids) if (this.#turns.get(uid) === over) this.#turns.delete(uid)
    }
  }

  /** Sets devices aside for a claim until it is written, or given up. Other pods of the group may count on them until then. */
  setAside({ metadata: { uid = '' } }: ResourceClaimV1, allocation: AllocationResult, group: string | undefined): void {
    this.#underWay.set(uid, { allocation, group, done: Promise.withResolvers() })
    this.#use(uid, allocation)
  }

  #endAllocation(uid: string): boolean {
    this.#underWay.get(uid)?.done.resolve()
    return this.#underWay.delete(uid)
  }

  /** Takes that back: the devices are free for other claims. */
  giveUp(claim: ResourceClaimV1): void {
    const { uid = '' } = claim.metadata
    if (!this.#endAllocation(uid)) return
    const actual = this.claim(formatKey(keyOf(claim)))
    this.#use(uid, actual?.metadata.uid === uid ? actual.status?.allocation : undefined)
    const old = { ...claim, status: { allocation: {} } }
    this.#handle.announce({ type: 'object', kind: 'ResourceClaim', change: 'update', object: claim, old })
  }

  /** Takes over a claim as it has been written. */
  assume(claim: ResourceClaimV1): void {
    const key = formatKey(keyOf(claim))
    const { uid = '' } = claim.metadata
    const actual = this.#claims.get(keyOf(claim))
    const known = this.claim(key)
    // Unless the news of it, or of what came after it, are here already.
    if (actual !== undefined && known !== undefined && isOlder(known, claim)) {
      this.#written.set(key, claim)
      this.#use(uid, claim.status?.allocation)
    }
    this.#endAllocation(uid)
  }

  #claimChanged(claim: ResourceClaimV1): void {
    const key = formatKey(keyOf(claim))
    const { uid = '' } = claim.metadata
    const written = this.#written.get(key)
    if (written !== undefined && isOlder(claim, written)) return
    this.#written.delete(key)
    if (written !== undefined && written.metadata.uid !== uid) this.#use(written.metadata.uid ?? '', undefined)
    if (!this.#underWay.has(uid) || claim.status?.allocation !== undefined) this.#use(uid, claim.status?.allocation)
  }

  #claimDeleted(claim: ResourceClaimV1): void {
    this.#written.delete(formatKey(keyOf(claim)))
    this.#use(claim.metadata.uid ?? '', undefined)
  }

  #use(uid: string, allocation: AllocationResult | undefined): void {
    for (const id of this.#devicesOf.get(uid) ?? []) {
      const users = (this.#users.get(id) ?? 0) - 1
      if (users > 0) this.#users.set(id, users)
      else this.#users.delete(id)
    }
    const ids = (allocation?.devices?.results ?? [])
      .filter(({ adminAccess }) => adminAccess !== true)
      .map(({ driver, pool, device }) => deviceId(driver, pool, device))
    if (ids.length === 0) this.#devicesOf.delete(uid)
    else this.#devicesOf.set(uid, ids)
    for (const id of ids) this.#users.set(id, (this.#users.get(id) ?? 0) + 1)
  }

  #announceChanges(): void {
    // What is there already is no news.
    let isNews = false
    for (const resource of deviceResources) {
      const { kind } = resource
      this.#handle.informer(resource).addHandler({
        onAdd: (object) => isNews && this.#handle.announce({ type: 'object', kind, change: 'add', object }),
        onUpdate: (object, old) =>
          isNews && this.#handle.announce({ type: 'object', kind, change: 'update', object, old }),
        onDelete: (object) => isNews && this.#handle.announce({ type: 'object', kind, change: 'delete', object }),
      })
    }
    isNews = true
  }
}

function isOlder({ metadata: actual }: ResourceClaimV1, { metadata: written }: ResourceClaimV1): boolean {
  return Number(actual.resourceVersion) < Number(written.resourceVersion)
}

interface AllocationUnderWay {
  readonly allocation: AllocationResult
  readonly group: string | undefined
  readonly done: PromiseWithResolvers<void>
}

const states = new WeakMap<ClusterState, DeviceState>()

/** The device state of a scheduler: one for all its profiles. */
export function deviceStateOf(handle: SchedulerHandle): DeviceState {
  let state = states.get(handle.cluster)
  if (state === undefined) states.set(handle.cluster, (state = new DeviceState(handle)))
  return state
}
