import type { LabelSelector } from '@binnacle/apimachinery'
import type { PodAffinityTerm } from '@binnacle/resources'
import type { InterPodAffinityArgs } from '../plugin-args.ts'
import type { SchedulablePod, SelectorRequirement } from '../scheduled-objects.ts'
import { holds, type ReferenceNode } from './reference-scheduler.ts'

/** Inter-pod affinity once more, as plainly as it can be said. */

/** Labels by namespace. */
export type ReferenceNamespaces = Readonly<Record<string, Readonly<Record<string, string>>>>

type Weighted = { readonly weight: number; readonly podAffinityTerm: PodAffinityTerm }

const affinityOf = (pod: SchedulablePod): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
const antiAffinityOf = (pod: SchedulablePod): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
const preferredOf = (pod: SchedulablePod): readonly Weighted[] => [
  ...(pod.spec.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
  ...(pod.spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((t) => ({
    ...t,
    weight: -t.weight,
  })),
]

const selects = (selector: LabelSelector | undefined, labels: Readonly<Record<string, string>>): boolean =>
  selector !== undefined &&
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector.matchExpressions ?? []).every((r) => holds(r as SelectorRequirement, labels))

/** Whether the term of `owner` means `other`. */
function means(
  owner: SchedulablePod,
  term: PodAffinityTerm,
  other: SchedulablePod,
  namespaces: ReferenceNamespaces,
): boolean {
  const namespace = other.metadata.namespace ?? ''
  const isNamed = (term.namespaces ?? []).includes(namespace)
  const isOwn =
    (term.namespaces ?? []).length === 0 &&
    term.namespaceSelector === undefined &&
    namespace === owner.metadata.namespace
  const isSelected = selects(term.namespaceSelector, namespaces[namespace] ?? {})
  const labels = other.metadata.labels ?? {}
  const own = owner.metadata.labels ?? {}
  const alike = (keys: readonly string[] = []): boolean =>
    keys.every((k) => own[k] === undefined || labels[k] === own[k])
  const unlike = (keys: readonly string[] = []): boolean =>
    keys.every((k) => own[k] === undefined || labels[k] !== own[k])
  return (
    (isNamed || isOwn || isSelected) &&
    selects(term.labelSelector, labels) &&
    alike(term.matchLabelKeys) &&
    unlike(term.mismatchLabelKeys)
  )
}

const valueOf = ({ node }: ReferenceNode, { topologyKey }: PodAffinityTerm): string | undefined =>
  node.metadata.labels?.[topologyKey]

/** The pods of the term's domain that the candidate belongs to. */
function neighbours(candidate: ReferenceNode, term: PodAffinityTerm, all: readonly ReferenceNode[]): SchedulablePod[] {
  const value = valueOf(candidate, term)
  return value === undefined ? [] : all.filter((n) => valueOf(n, term) === value).flatMap((n) => n.pods)
}

/** Why the candidate cannot take the pod; none: it can. */
export function referenceAffinity(
  pod: SchedulablePod,
  candidate: ReferenceNode,
  all: readonly ReferenceNode[],
  namespaces: ReferenceNamespaces,
): string[] {
  const terms = affinityOf(pod)
  const isMeantByAll = (other: SchedulablePod): boolean => terms.every((t) => means(pod, t, other, namespaces))
  const hasLabels = terms.every((t) => valueOf(candidate, t) !== undefined)
  const hasFriends = terms.every((t) => neighbours(candidate, t, all).some(isMeantByAll))
  const isAlone = !terms.some((t) => all.some((n) => valueOf(n, t) !== undefined && n.pods.some(isMeantByAll)))
  if (!hasLabels || !(hasFriends || (isAlone && isMeantByAll(pod)))) return ["node(s) didn't match pod affinity rules"]
  if (antiAffinityOf(pod).some((t) => neighbours(candidate, t, all).some((p) => means(pod, t, p, namespaces))))
    return ["node(s) didn't match pod anti-affinity rules"]
  const isUnwanted = all.some((n) =>
    n.pods.some((p) =>
      antiAffinityOf(p).some(
        (t) => means(p, t, pod, namespaces) && valueOf(n, t) !== undefined && valueOf(n, t) === valueOf(candidate, t),
      ),
    ),
  )
  return isUnwanted ? ["node(s) didn't satisfy existing pods anti-affinity rules"] : []
}

/** The score of each candidate, from 0 for the least to 100 for the greatest. */
export function referenceAffinityScores(
  pod: SchedulablePod,
  candidates: readonly ReferenceNode[],
  all: readonly ReferenceNode[],
  namespaces: ReferenceNamespaces,
  { hardPodAffinityWeight, ignorePreferredTermsOfExistingPods }: InterPodAffinityArgs,
): number[] {
  if (ignorePreferredTermsOfExistingPods && preferredOf(pod).length === 0) return candidates.map(() => 0)
  const isNear = (a: ReferenceNode, b: ReferenceNode, t: PodAffinityTerm): boolean =>
    valueOf(a, t) !== undefined && valueOf(a, t) === valueOf(b, t)
  const raw = candidates.map((candidate) => {
    let score = 0
    for (const { weight, podAffinityTerm: t } of preferredOf(pod))
      score += weight * neighbours(candidate, t, all).filter((p) => means(pod, t, p, namespaces)).length
    for (const n of all) {
      for (const p of n.pods) {
        for (const { weight, podAffinityTerm: t } of preferredOf(p))
          if (means(p, t, pod, namespaces) && isNear(n, candidate, t)) score += weight
        for (const t of affinityOf(p))
          if (means(p, t, pod, namespaces) && isNear(n, candidate, t)) score += hardPodAffinityWeight
      }
    }
    return score
  })
  const least = Math.min(...raw)
  const range = Math.max(...raw) - least
  return raw.map((score) => (range > 0 ? Math.trunc(100 * ((score - least) / range)) : 0))
}
