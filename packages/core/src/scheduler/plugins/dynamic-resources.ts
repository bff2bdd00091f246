import { isConflict, isNotFound, keyOf, semanticEqual } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type AllocationResult, type Node, resourceClaims, type ResourceClaimV1 } from '@binnacle/resources'
import { allocationFinalizer, isReservedFor } from '../../controllers/resource-claim/plan.ts'
import { selectsNode } from '../../volumes/volume-topology.ts'
import { type PreparedClaim, prepareClaim } from '../devices/allocation-request.ts'
import { allocationOf } from '../devices/allocation-result.ts'
import { type Choice, chooseDevices } from '../devices/allocator.ts'
import { deviceResources, type DeviceState, deviceStateOf } from '../devices/device-state.ts'
import { canBeUsedBy, claimsOf } from '../devices/pod-claims.ts'
import type {
  ClusterEvent,
  Cycle,
  FilterPlugin,
  Placement,
  PluginDefinition,
  PostBindPlugin,
  PostFilterPlugin,
  PostFilterResult,
  PreBindPlugin,
  PreEnqueuePlugin,
  PreFilterResult,
  Rejection,
  ReservePlugin,
  SchedulerHandle,
} from '../framework.ts'
import { nodeChange } from '../node-table.ts'
import { groupKeyOf } from '../pod-groups.ts'
import type { PodShape } from '../pod-shape.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'
import { keyOfObject } from './volume-restrictions.ts'

const name = 'DynamicResources'
const triesMax = 5

/**
 * Allocates the devices that a pod's resource claims ask for on the node that it gets, and reserves the claims for it (kube-scheduler's plugin of
 * the same name). What is chosen is set aside at once, and written before the pod is bound.
 */
export const dynamicResources: PluginDefinition = {
  name,
  reads: deviceResources,
  create(handle) {
    const state = deviceStateOf(handle)
    const claims = new ClaimsToPlace(state)
    return {
      name,
      preEnqueue: claimGate(state),
      filter: new DeviceFilter(claims),
      postFilter: new IdleClaimRelease(handle, claims),
      ...claimWriter(handle, state, claims),
    }
  },
}

/** Keeps pods out of the queue whose claims are not there yet. */
function claimGate(state: DeviceState): PreEnqueuePlugin {
  return {
    name,
    preEnqueue(pod) {
      if (pod.spec.resourceClaims === undefined) return undefined
      const claims = claimsOf(pod, (key) => state.claim(key))
      return 'problem' in claims ? claims.problem : undefined
    },
    // That a claim has been made for a pod is told by the pod's own status.
    helpedBy: ['ResourceClaim'],
    mayHelp: (event, { claims }) => event.type === 'object' && claims?.includes(keyOfObject(event)) === true,
  }
}

/** The claims of the pod that is being decided on. */
class ClaimsToPlace {
  readonly state: DeviceState
  allocated: readonly ResourceClaimV1[] = []
  waiting: readonly PreparedClaim[] = []

  constructor(state: DeviceState) {
    this.state = state
  }

  /** Takes up a pod. Returns why it cannot be placed anywhere, or whether there is anything to place. */
  take(pod: SchedulablePod, group: string | undefined): PreFilterResult {
    this.allocated = []
    this.waiting = []
    if (pod.spec.resourceClaims === undefined) return 'skip'
    const claims = claimsOf(pod, (key) => this.state.claim(key))
    if ('problem' in claims) return { rejection: claims.problem }
    if (claims.length === 0) return 'skip'
    const allocated: ResourceClaimV1[] = []
    const waiting: PreparedClaim[] = []
    for (const actual of claims) {
      const underWay = this.state.underWay(actual)
      if (underWay !== undefined && (group === undefined || underWay.group !== group))
        return { rejection: `resource claim ${keyOfObject({ object: actual })} is in the process of being allocated` }
      // Pods of one group get their nodes together, so one may count on what another is about to have allocated.
      const claim = underWay === undefined ? actual : allocatedSo(actual, underWay.allocation)
      if (claim.status?.allocation !== undefined) {
        if (!canBeUsedBy(claim, pod.metadata.uid)) return { rejection: 'resourceclaim in use' }
        allocated.push(claim)
        continue
      }
      const prepared = prepareClaim(claim, (className) => this.state.deviceClass(className))
      if ('rejection' in prepared) return prepared
      waiting.push(prepared)
    }
    this.allocated = allocated
    this.waiting = waiting
    return 'filter'
  }

  /** The devices that the pod would get on the node, or why it cannot be there. */
  place(node: Node): Choice {
    if (!this.allocated.every((claim) => isUsableOn(claim, node)))
      return { reason: 'resourceclaim not available on the node' }
    if (this.waiting.length === 0) return { devices: [] }
    return chooseDevices(this.waiting, this.state.pools.reachableFrom(node), (id) => this.state.isInUse(id))
  }
}

function allocatedSo(claim: ResourceClaimV1, allocation: AllocationResult): ResourceClaimV1 {
  return { ...claim, status: { ...claim.status, allocation } }
}

function isUsableOn({ status }: ResourceClaimV1, node: Node): boolean {
  const selector = status?.allocation?.nodeSelector
  return selector === undefined || selectsNode(selector, node)
}

class DeviceFilter implements FilterPlugin {
  readonly name = name
  readonly looksAt = 'nothing'
  readonly #claims: ClaimsToPlace
  readonly #reasons = new Map<number, string>()

  constructor(claims: ClaimsToPlace) {
    this.#claims = claims
  }

  preFilter({ pod, shape }: Cycle): PreFilterResult {
    this.#reasons.clear()
    return this.#claims.take(pod, groupKeyOf(shape))
  }

  filter({ cluster: { table } }: Cycle, slots: Int32Array, count: number): number {
    let kept = 0
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      const found = this.#claims.place(table.nodes[slot] as Node)
      if ('reason' in found) this.#reasons.set(slot, found.reason)
      else slots[kept++] = slot
    }
    return kept
  }

  reasons(_cycle: Cycle, slot: number): readonly string[] {
    return [this.#reasons.get(slot) ?? 'cannot allocate all claims']
  }

  mayYield(): boolean {
    return true
  }

  mayHelp(event: ClusterEvent, { claims }: PodShape): boolean {
    if (event.type === 'node') return (event.change & (nodeChange.added | nodeChange.labels)) !== 0
    if (event.type === 'podUpdated') return !semanticEqual(event.before.claims, claims)
    if (event.type !== 'object') return false
    const { kind, change } = event
    if (kind === 'ResourceSlice' || kind === 'DeviceClass') return change !== 'delete'
    if (kind !== 'ResourceClaim') return false
    const { status } = event.object as ResourceClaimV1
    if (change === 'delete') return status?.allocation !== undefined
    const before = (event.old as ResourceClaimV1 | undefined)?.status
    // Devices have come free, whoever had them.
    if (before?.allocation !== undefined && status?.allocation === undefined) return true
    const isOwn = claims?.includes(keyOfObject(event)) === true
    return isOwn && (event.old === undefined || !semanticEqual(before, status))
  }
}

/** Takes the devices from a claim that nobody uses and that keeps the pod from every node: it is allocated anew then. */
class IdleClaimRelease implements PostFilterPlugin {
  readonly name = name
  readonly #handle: SchedulerHandle
  readonly #claims: ClaimsToPlace

  constructor(handle: SchedulerHandle, claims: ClaimsToPlace) {
    this.#handle = handle
    this.#claims = claims
  }

  postFilter({ pod, shape, cluster: { table } }: Cycle): PostFilterResult {
    if (this.#claims.take(pod, groupKeyOf(shape)) !== 'filter') return { message: 'no new claims to deallocate' }
    const idle = this.#claims.allocated.find(
      (claim) =>
        this.#claims.state.underWay(claim) === undefined &&
        (claim.status?.reservedFor ?? []).every(({ uid }) => uid === pod.metadata.uid) &&
        table.nodes.some((node) => node !== undefined && !isUsableOn(claim, node)),
    )
    if (idle === undefined) return { message: 'still not schedulable' }
    const { allocation: _, reservedFor: __, ...status } = idle.status ?? {}
    const write: BatchWrite = {
      verb: 'update',
      resource: resourceClaims,
      object: { ...idle, status } as ResourceClaimV1,
      subresource: 'status',
    }
    this.#handle.write(write, (result) => {
      if ('error' in result && !isConflict(result.error))
        this.#handle.log('error', 'cannot deallocate a resource claim', { error: result.error.message })
    })
    return { message: 'deallocation of ResourceClaim completed' }
  }
}

/** A claim of a pod that has been given a node, with what is to be written into it. */
interface DecidedClaim {
  readonly claim: ResourceClaimV1
  /** Undefined where the claim is allocated already. */
  readonly allocation: AllocationResult | undefined
}

function claimWriter(
  handle: SchedulerHandle,
  state: DeviceState,
  claims: ClaimsToPlace,
): { reserve: ReservePlugin; preBind: PreBindPlugin; postBind: PostBindPlugin } {
  const writer = new ClaimWriter(handle, state, claims)
  return { reserve: writer, preBind: writer, postBind: writer }
}

class ClaimWriter implements ReservePlugin, PreBindPlugin, PostBindPlugin {
  readonly name = name
  readonly #handle: SchedulerHandle
  readonly #state: DeviceState
  readonly #claims: ClaimsToPlace
  readonly #decided = new Map<string, readonly DecidedClaim[]>()
  /** Claims that have been reserved for a pod which is not bound yet, by its uid. */
  readonly #reserved = new Map<string, readonly ResourceClaimV1[]>()

  constructor(handle: SchedulerHandle, state: DeviceState, claims: ClaimsToPlace) {
    this.#handle = handle
    this.#state = state
    this.#claims = claims
  }

  reserve({ pod, shape, cluster: { table } }: Cycle, slot: number): Rejection | undefined {
    if (pod.spec.resourceClaims === undefined) return undefined
    const node = table.nodes[slot] as Node
    const found = this.#claims.place(node)
    if ('reason' in found) return { kind: 'unschedulable', message: found.reason }
    const decided: DecidedClaim[] = this.#claims.allocated
      .filter((claim) => !isReservedFor(claim, pod))
      .map((claim) => ({ claim, allocation: undefined }))
    for (const [index, prepared] of this.#claims.waiting.entries()) {
      const devices = found.devices.filter(({ claimIndex }) => claimIndex === index)
      const allocation = allocationOf(prepared, devices, node.metadata.name)
      this.#state.setAside(prepared.claim, allocation, groupKeyOf(shape))
      decided.push({ claim: prepared.claim, allocation })
    }
    if (decided.length > 0) this.#decided.set(pod.metadata.uid ?? '', decided)
    return undefined
  }

  unreserve({ pod }: Placement): void {
    const uid = pod.metadata.uid ?? ''
    for (const { claim, allocation } of this.#decided.get(uid) ?? [])
      if (allocation !== undefined) this.#state.giveUp(claim)
    this.#decided.delete(uid)
    for (const claim of this.#reserved.get(uid) ?? []) this.#unreserveFor(uid, claim)
    this.#reserved.delete(uid)
  }

  #unreserveFor(podUid: string, claim: ResourceClaimV1): void {
    const { uid } = claim.metadata
    const reservedFor = [{ $patch: 'delete', uid: podUid }]
    const write: BatchWrite = {
      verb: 'patch',
      resource: resourceClaims,
      key: keyOf(claim),
      patch: { type: 'strategic', body: { metadata: { uid }, status: { reservedFor } } },
      subresource: 'status',
    }
    this.#handle.write(write, (result) => {
      if (!('error' in result) || isNotFound(result.error) || isConflict(result.error)) return
      const text = keyOfObject({ object: claim })
      this.#handle.log('error', 'cannot unreserve a resource claim', { claim: text, error: result.error.message })
    })
  }

  postBind({ pod }: Placement): void {
    this.#reserved.delete(pod.metadata.uid ?? '')
  }

  needsPreBind({ pod }: Placement): boolean {
    return this.#decided.has(pod.metadata.uid ?? '')
  }

  async preBind({ pod }: Placement, signal: AbortSignal): Promise<void> {
    const decided = this.#decided.get(pod.metadata.uid ?? '') ?? []
    // Another pod of the group may have the claim's devices allocated.
    for (const { claim, allocation } of decided) if (allocation === undefined) await this.#state.settled(claim, signal)
    await this.#state.inTurn(
      decided.map(({ claim }) => claim),
      () =>
        this.#writeUntilDone(
          pod,
          decided.map((claim) => this.#newest(claim)),
        ),
    )
  }

  async #writeUntilDone(pod: SchedulablePod, claims: readonly DecidedClaim[]): Promise<void> {
    let decided = claims
    for (let tries = 1; ; tries++) {
      try {
        const written = await this.#write(pod, decided)
        for (const claim of written) this.#state.assume(claim)
        const { uid = '' } = pod.metadata
        this.#decided.delete(uid)
        this.#reserved.set(uid, written)
        return
      } catch (error) {
        if (!isConflict(error) || tries >= triesMax) throw error
        decided = await Promise.all(decided.map((claim) => this.#refresh(claim)))
      }
    }
  }

  /** An allocated claim as it is by now: with what others have written of it. */
  #newest(decided: DecidedClaim): DecidedClaim {
    const { claim, allocation } = decided
    const newest = allocation === undefined ? this.#state.claim(keyOfObject({ object: claim })) : undefined
    if (newest === undefined || newest.metadata.uid !== claim.metadata.uid) return decided
    mustBeAllocatedAs(claim, newest)
    return { claim: newest, allocation }
  }

  /** Writes all claims of the pod together: with the finalizer first, so that no devices are ever had by a claim that can vanish. */
  async #write(pod: SchedulablePod, decided: readonly DecidedClaim[]): Promise<ResourceClaimV1[]> {
    const { client } = this.#handle
    const unprotected = decided.filter(
      ({ claim, allocation }) =>
        allocation !== undefined && claim.metadata.finalizers?.includes(allocationFinalizer) !== true,
    )
    const current = new Map(decided.map(({ claim }) => [claim.metadata.uid, claim]))
    const writes = unprotected.map(({ claim }): BatchWrite => ({
      verb: 'update',
      resource: resourceClaims,
      object: withFinalizer(claim),
    }))
    for (const result of writes.length === 0 ? [] : await client.writeAll(writes, { atomic: true })) {
      const { object } = result as { object: ResourceClaimV1 }
      current.set(object.metadata.uid, object)
    }
    const results = await client.writeAll(
      decided.map(({ claim, allocation }) => ({
        verb: 'update',
        resource: resourceClaims,
        object: reservedClaim(current.get(claim.metadata.uid) ?? claim, allocation, pod),
        subresource: 'status',
      })),
      { atomic: true },
    )
    return results.map((result) => (result as { object: ResourceClaimV1 }).object)
  }

  async #refresh({ claim, allocation }: DecidedClaim): Promise<DecidedClaim> {
    const fresh = await this.#handle.client.get(resourceClaims, keyOf(claim))
    const text = keyOfObject({ object: claim })
    if (fresh.metadata.uid !== claim.metadata.uid || fresh.metadata.deletionTimestamp !== undefined)
      throw new Error(`claim ${text} got deleted in the meantime`)
    if (allocation !== undefined && fresh.status?.allocation !== undefined)
      throw new Error(`claim ${text} got allocated elsewhere in the meantime`)
    if (allocation === undefined) mustBeAllocatedAs(claim, fresh)
    return { claim: fresh, allocation }
  }
}

/** @throws Error when the devices that were counted on are not the claim's any more */
function mustBeAllocatedAs(before: ResourceClaimV1, now: ResourceClaimV1): void {
  if (!semanticEqual(now.status?.allocation, before.status?.allocation))
    throw new Error(`claim ${keyOfObject({ object: before })} got deallocated elsewhere in the meantime`)
}

function withFinalizer(claim: ResourceClaimV1): ResourceClaimV1 {
  const finalizers = [...(claim.metadata.finalizers ?? []), allocationFinalizer]
  return { ...claim, metadata: { ...claim.metadata, finalizers } }
}

/** @throws Error when so many pods use the claim that this one cannot */
function reservedClaim(
  claim: ResourceClaimV1,
  allocation: AllocationResult | undefined,
  pod: SchedulablePod,
): ResourceClaimV1 {
  const { name: podName, uid = '' } = pod.metadata
  if (!canBeUsedBy(claim, uid)) throw new Error('resourceclaim in use')
  const reservedFor = claim.status?.reservedFor ?? []
  const consumer = { resource: 'pods', name: podName, uid }
  return {
    ...claim,
    status: {
      ...claim.status,
      ...(allocation === undefined ? {} : { allocation }),
      reservedFor: isReservedFor(claim, pod) ? reservedFor : [...reservedFor, consumer],
    },
  }
}
