import { forbidden, type KubernetesObject } from '@binnacle/apimachinery'
import {
  type Amounts,
  amountsField,
  amountsOf,
  judgeByQuota,
  type QuotaChange,
  quotaEvaluatorOf,
  type ResourceDefinition,
  type ResourceQuota,
  resourceQuotas,
} from '@binnacle/resources'
import {
  type CommitResult,
  encodeObject,
  KeyMissing,
  RevisionMismatch,
  type StoredObject,
  type Write,
} from '@binnacle/store'
import type { OptimisticEnvironment } from '../optimistic-write.ts'

/**
 * Quotas at admission (kube-apiserver plugin ResourceQuota). What a write adds to a quota's `status.used` is committed in the same atomic group as
 * the object, on the condition that the quota is as it was read: however many API processes write at once, no quota is exceeded.
 */

/** Conflicts with other API processes that one write lives through. */
const triesMax = 100

/** A write that quotas may have a say in. */
export interface Chargeable extends QuotaChange {
  readonly resource: ResourceDefinition
  readonly namespace: string
}

/** What charging needs. */
export interface ChargeEnvironment extends OptimisticEnvironment {
  nowMs(): number
}

/** The change that a create, or an update through that subresource, is to quotas; none for those that they never count. */
export function chargeable(
  resource: ResourceDefinition,
  object: KubernetesObject,
  old?: KubernetesObject,
  subresource?: string,
): readonly Chargeable[] {
  if (resource.scope !== 'Namespaced') return []
  if (old !== undefined && !quotaEvaluatorOf(resource).countsUpdateOf(subresource)) return []
  return [{ resource, object, old, subresource, namespace: object.metadata.namespace ?? '' }]
}

/** Commits a group of writes together with what it takes of quotas. @throws StatusError Forbidden; the store's errors are passed on */
export async function commitCharged(
  env: ChargeEnvironment,
  group: { readonly writes: readonly Write[]; readonly actor: string },
  changes: readonly Chargeable[],
): Promise<CommitResult> {
  const counted = changes.filter((change) => isCounted(env, change))
  if (counted.length === 0) return await env.store.commit(group)
  // Writers of this process go one after the other for each namespace, instead of all overtaking each other; always in the same order.
  const namespaces = [...new Set(counted.map((change) => change.namespace))].sort()
  const ends: (() => void)[] = []
  try {
    for (const namespace of namespaces) ends.push(await env.turns.take(turnOf(namespace)))
    for (let tries = 1; ; tries++) {
      const charges = await chargesOf(env, counted)
      try {
        return await env.store.commit({ ...group, writes: [...group.writes, ...charges] })
      } catch (error) {
        if (tries >= triesMax || !charges.some((charge) => hasChanged(charge, error))) throw error
        await env.store.linearize()
      }
    }
  } finally {
    for (const end of ends) end()
  }
}

const turnOf = (namespace: string) => ({ resource: resourceQuotas.storageName, namespace, name: '' })

// Somebody else has charged the quota, or changed or deleted it.
function hasChanged({ key }: Write, error: unknown): boolean {
  if (!(error instanceof RevisionMismatch || error instanceof KeyMissing)) return false
  return error.key?.resource === key.resource && error.key.namespace === key.namespace && error.key.name === key.name
}

function quotasIn({ store }: ChargeEnvironment, namespace: string): readonly StoredObject[] {
  return store.list({ resource: resourceQuotas.storageName, namespace }).objects
}

function isCounted(env: ChargeEnvironment, { resource, namespace }: Chargeable): boolean {
  return quotasIn(env, namespace).some((stored) => {
    const { status } = stored.parse() as ResourceQuota
    return Object.keys(status?.hard ?? {}).some((name) => quotaEvaluatorOf(resource).counts(name))
  })
}

/** What the changes together make of the quotas. @throws StatusError Forbidden when one does not allow them */
export async function chargesOf(env: ChargeEnvironment, changes: readonly Chargeable[]): Promise<readonly Write[]> {
  try {
    return chargesNow(env, changes)
  } catch {
    // A refusal from the cache may be older than what has been freed meanwhile.
    await env.store.linearize()
    return chargesNow(env, changes)
  }
}

function chargesNow(env: ChargeEnvironment, changes: readonly Chargeable[]): readonly Write[] {
  const charged = new Map<StoredObject, Amounts>()
  for (const change of changes) {
    for (const stored of quotasIn(env, change.namespace)) {
      const quota = stored.parse() as ResourceQuota
      const used = charged.get(stored) ?? amountsOf(quota.status?.used)
      const verdict = judgeByQuota(quota, used, change, env.nowMs())
      if ('refusal' in verdict) throw forbidden(change.resource, change.object.metadata.name, verdict.refusal)
      if (verdict.used !== undefined) charged.set(stored, verdict.used)
    }
  }
  return [...charged].map(([stored, used]) => chargeWrite(stored, used))
}

function chargeWrite(stored: StoredObject, used: Amounts): Write {
  const quota = stored.parse() as ResourceQuota
  const object = { ...quota, status: { ...quota.status, used: amountsField(used) } }
  return {
    key: stored.key,
    kind: 'update',
    uid: stored.uid,
    expectedRevision: stored.revision,
    data: encodeObject(object),
    object,
  }
}
