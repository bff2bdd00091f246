import {
  type LabelSelector,
  type Labels,
  selectNothing,
  Selector,
  selectorFromLabelSelector,
} from '@binnacle/apimachinery'
import type { PodAffinityTerm } from '@binnacle/resources'
import type { PodMatcher } from './pod-counts.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

/** The labels of the namespaces, for terms that select namespaces. */
export interface NamespaceLabels {
  get(namespace: string): Labels | undefined
}

/** One affinity or anti-affinity term of a pod, ready to be evaluated (kube-scheduler `framework.AffinityTerm`). */
export interface AffinityTerm {
  /** The same for terms that mean the same. */
  readonly key: string
  readonly topologyKey: string
  readonly namespaces: ReadonlySet<string>
  readonly namespaceSelector: Selector
  readonly selector: Selector
}

/** A preferred term; negative where the pod would rather be elsewhere. */
export interface WeightedTerm {
  readonly weight: number
  readonly term: AffinityTerm
}

/** All of a pod's inter-pod affinity. */
export interface PodAffinityTerms {
  readonly requiredAffinity: readonly AffinityTerm[]
  readonly requiredAntiAffinity: readonly AffinityTerm[]
  /** Affinity with positive, anti-affinity with negative weights. */
  readonly preferred: readonly WeightedTerm[]
}

/** The pod's terms; undefined where it has none. */
export function affinityTermsOf(pod: SchedulablePod): PodAffinityTerms | undefined {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {}
  if (podAffinity === undefined && podAntiAffinity === undefined) return undefined
  const of = (term: PodAffinityTerm): AffinityTerm => compileTerm(pod, term)
  return {
    requiredAffinity: (podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(of),
    requiredAntiAffinity: (podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(of),
    preferred: [
      ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ weight, podAffinityTerm }) => ({
        weight,
        term: of(podAffinityTerm),
      })),
      ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
        ({ weight, podAffinityTerm }) => ({ weight: -weight, term: of(podAffinityTerm) }),
      ),
    ],
  }
}

/** Whether the term means a pod of that namespace with these labels. */
export function termMatches(
  term: AffinityTerm,
  namespace: string,
  labels: Labels | undefined,
  namespaces: NamespaceLabels,
): boolean {
  return (
    (term.namespaces.has(namespace) || selectsNamespace(term.namespaceSelector, namespace, namespaces)) &&
    term.selector.matches(labels)
  )
}

/** Matches the pods that all of the terms mean. */
export function matcherOf(terms: readonly AffinityTerm[], namespaces: NamespaceLabels): PodMatcher {
  return {
    key: terms.map((t) => t.key).join('\n'),
    matches: (namespace, labels) => terms.every((t) => termMatches(t, namespace, labels, namespaces)),
  }
}

function selectsNamespace(selector: Selector, namespace: string, namespaces: NamespaceLabels): boolean {
  if (selector === selectNothing) return false
  // A namespace that is not known (yet) has no labels; the empty selector takes it all the same.
  return selector.matches(namespaces.get(namespace))
}

function compileTerm(pod: SchedulablePod, term: PodAffinityTerm): AffinityTerm {
  const named = term.namespaces ?? []
  const isOwn = named.length === 0 && term.namespaceSelector === undefined
  const namespaces = isOwn ? [pod.metadata.namespace ?? ''] : [...named].sort()
  const namespaceSelector = fromLabelSelector(term.namespaceSelector)
  const selector = withKeys(pod, term)
  const key = JSON.stringify([
    term.topologyKey,
    namespaces,
    namespaceSelector === selectNothing ? null : namespaceSelector.toString(),
    selector === selectNothing ? null : selector.toString(),
  ])
  return { key, topologyKey: term.topologyKey, namespaces: new Set(namespaces), namespaceSelector, selector }
}

/** matchLabelKeys and mismatchLabelKeys stand for requirements with the pod's own values; keys that it lacks are left out. */
function withKeys(
  pod: SchedulablePod,
  { labelSelector, matchLabelKeys, mismatchLabelKeys }: PodAffinityTerm,
): Selector {
  if (labelSelector === undefined) return selectNothing
  const own = (keys: readonly string[] | undefined, operator: 'In' | 'NotIn'): Selector['requirements'] =>
    (keys ?? []).flatMap((key) => {
      const value = pod.metadata.labels?.[key]
      return value === undefined ? [] : [{ key, operator, values: [value] }]
    })
  return new Selector([
    ...selectorFromLabelSelector(labelSelector).requirements,
    ...own(matchLabelKeys, 'In'),
    ...own(mismatchLabelKeys, 'NotIn'),
  ])
}

function fromLabelSelector(selector: LabelSelector | undefined): Selector {
  return selector === undefined ? selectNothing : selectorFromLabelSelector(selector)
}
