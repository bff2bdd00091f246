import { compareQuantities, type KubernetesObject, type Quantity } from '@binnacle/apimachinery'
import type { ResourceQuota } from '../generated/types.ts'
import { addInto, type Amounts, amountsOf, amountsText, changeOf, only } from './amounts.ts'
import { quotaEvaluatorOf } from './evaluators.ts'
import { scopesOf } from './scopes.ts'

/** A write as quotas see it: `old` is the state that it replaces. */
export interface QuotaChange {
  readonly resource: { readonly group: string; readonly plural: string; readonly storageName: string }
  readonly object: KubernetesObject
  readonly old: KubernetesObject | undefined
  readonly subresource: string | undefined
}

/** What a quota makes of a write: what is used after it (undefined: the write does not concern it), or why it may not be. */
export type QuotaVerdict = { readonly used: Amounts | undefined } | { readonly refusal: string }

const unconcerned: QuotaVerdict = { used: undefined }

/** Decides about one write under one quota (kube-apiserver `resourcequota/controller.go` CheckRequest). `used` is what is used before it. */
export function judgeByQuota(quota: ResourceQuota, used: Amounts, change: QuotaChange, nowMs: number): QuotaVerdict {
  const evaluator = quotaEvaluatorOf(change.resource)
  if (change.old !== undefined && !evaluator.countsUpdateOf(change.subresource)) return unconcerned
  const hard = amountsOf(quota.status?.hard)
  const names = [...hard.keys()].filter((name) => evaluator.counts(name))
  if (names.length === 0 || !scopesOf(quota).every((scope) => evaluator.inScope(scope, change.object)))
    return unconcerned
  const { name } = quota.metadata
  const missing = evaluator.refusal?.(names, change.object)
  if (missing !== undefined) return { refusal: `failed quota: ${name}: ${missing}` }
  if (!names.every((resource) => used.has(resource)))
    return { refusal: `status unknown for quota: ${name}, resources: ${names.sort().join(',')}` }
  const usage = evaluator.usage(change.object, nowMs)
  const negative = [...usage].filter(([, quantity]) => quantity.nanos < 0n).map(([resource]) => resource)
  if (negative.length > 0) return { refusal: `quota usage is negative for resource(s): ${negative.sort().join(',')}` }
  const before = change.old === undefined ? new Map<string, Quantity>() : evaluator.usage(change.old, nowMs)
  const requested = only(changeOf(usage, before), hard.keys())
  if (requested.size === 0) return unconcerned
  const after = new Map(used)
  addInto(after, requested)
  // What uses less is let in even where the quota was lowered below its use.
  const exceeded = [...requested].flatMap(([resource, quantity]) => {
    const [sum, limit] = [after.get(resource), hard.get(resource)] as [Quantity, Quantity]
    return quantity.nanos > 0n && compareQuantities(sum, limit) > 0 ? [resource] : []
  })
  if (exceeded.length === 0) return { used: after }
  const texts = [requested, used, hard].map((amounts) => amountsText(only(amounts, exceeded)))
  return { refusal: `exceeded quota: ${name}, requested: ${texts[0]}, used: ${texts[1]}, limited: ${texts[2]}` }
}

/** The objects of a resource that a quota counts. */
export interface QuotaObjects {
  readonly resource: { readonly group: string; readonly plural: string; readonly storageName: string }
  readonly objects: Iterable<KubernetesObject>
}

/**
 * What is used of a quota's resources (quota `resources.go` CalculateUsage). Resources that nothing counts keep what the quota says, if it says
 * something.
 */
export function quotaUsage(quota: ResourceQuota, counted: Iterable<QuotaObjects>, nowMs: number): Amounts {
  const hard = amountsOf(quota.spec?.hard)
  const scopes = scopesOf(quota)
  const used = new Map<string, Quantity>()
  for (const { resource, objects } of counted) {
    const evaluator = quotaEvaluatorOf(resource)
    const names = [...hard.keys()].filter((name) => evaluator.counts(name))
    if (names.length === 0) continue
    for (const name of names) if (!used.has(name)) used.set(name, { nanos: 0n, format: 'DecimalSI' })
    for (const object of objects)
      if (scopes.every((scope) => evaluator.inScope(scope, object))) addInto(used, evaluator.usage(object, nowMs))
  }
  return only(new Map([...amountsOf(quota.status?.used), ...used]), hard.keys())
}
