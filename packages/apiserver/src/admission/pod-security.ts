import { controllerOf, forbidden, invalid, type KubernetesObject } from '@binnacle/apimachinery'
import {
  type CronJob,
  type Namespace,
  namespaces,
  type Pod,
  pods,
  type PodTemplateSpec,
  type ResourceDefinition,
} from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'
import { checkedPod, type CheckedPod } from './pod-security/check.ts'
import {
  detailsText,
  isSameLevel,
  isStricter,
  levelVersionText,
  type LevelVersion,
  policyOf,
  reasonsText,
  violationsOf,
} from './pod-security/policy.ts'

/** Existing pods that are looked at when a namespace becomes stricter, at the most. */
const podsCheckedMax = 3000

/** A write, as far as this plugin needs to know it. */
export interface SecuredWrite {
  readonly definition: ResourceDefinition
  readonly object: KubernetesObject
  readonly old: KubernetesObject | undefined
  readonly subresource: string | undefined
  warn(text: string): void
}

type Reads = Pick<AdmissionStore, 'get' | 'list'>

/**
 * Holds pods against the Pod Security Standard that the labels of their namespace name (plugin PodSecurity, pod-security-admission `admission.go`): pods
 * that break what is enforced are refused; of what breaks the rest, and of controllers whose pods would be refused, the caller is warned.
 * @throws StatusError Forbidden for a pod, Invalid for a namespace
 */
export function checkPodSecurity(store: Reads, write: SecuredWrite): void {
  const { definition, object, old, subresource } = write
  if (definition.storageName === namespaces.storageName) {
    if (subresource === undefined) checkNamespaceLabels(store, write)
    return
  }
  if (definition.storageName === pods.storageName) {
    if (subresource === 'status') return
    if (old !== undefined && !isSignificant(object as Pod, old as Pod)) return
    return checkPod(store, write, checkedPod(object as Pod), true)
  }
  const templateOf = templates[definition.storageName]
  if (templateOf === undefined || subresource !== undefined) return
  const template = templateOf(object)
  if (template?.spec === undefined) return
  const annotations = template.metadata?.annotations ?? {}
  checkPod(store, write, { annotations, spec: template.spec }, false)
}

const ofSpec = (object: KubernetesObject): PodTemplateSpec | undefined =>
  (object as { spec?: { template?: PodTemplateSpec } }).spec?.template

/** Where kinds that lead to pods say which. */
const templates: Readonly<Record<string, (object: KubernetesObject) => PodTemplateSpec | undefined>> = {
  podtemplates: (object) => (object as { template?: PodTemplateSpec }).template,
  replicationcontrollers: ofSpec,
  'replicasets.apps': ofSpec,
  'deployments.apps': ofSpec,
  'statefulsets.apps': ofSpec,
  'daemonsets.apps': ofSpec,
  'jobs.batch': ofSpec,
  'cronjobs.batch': (object) => (object as CronJob).spec.jobTemplate.spec?.template,
}

function checkPod(store: Reads, write: SecuredWrite, pod: CheckedPod | undefined, isEnforced: boolean): void {
  if (pod === undefined) return
  const { object, warn } = write
  const key = { resource: namespaces.storageName, namespace: '', name: object.metadata.namespace ?? '' }
  const { enforce, warn: warned } = policyOf(store.get(key)?.labels ?? {})
  if (isEnforced) {
    const violations = violationsOf(enforce, pod)
    if (violations.length > 0)
      throw forbidden(
        pods,
        object.metadata.name,
        `violates PodSecurity "${levelVersionText(enforce)}": ${detailsText(violations)}`,
      )
    if (isSameLevel(enforce, warned)) return
  }
  const violations = violationsOf(warned, pod)
  if (violations.length > 0) warn(`would violate PodSecurity "${levelVersionText(warned)}": ${detailsText(violations)}`)
}

// Of what may change in a pod at all, only images and containers that are added matter.
function isSignificant({ spec }: Pod, { spec: old }: Pod): boolean {
  type Images = readonly { readonly name: string; readonly image?: string }[]
  const differ = (now: Images = [], before: Images = []): boolean =>
    now.length !== before.length || now.some(({ image }, index) => image !== before[index]?.image)
  if (differ(spec?.containers, old?.containers) || differ(spec?.initContainers, old?.initContainers)) return true
  const known: Images = old?.ephemeralContainers ?? []
  return (spec?.ephemeralContainers ?? []).some(
    ({ name, image }) => known.find((other) => other.name === name)?.image !== image,
  )
}

function checkNamespaceLabels(store: Reads, { object, old, warn }: SecuredWrite): void {
  const policy = policyOf(object.metadata.labels ?? {})
  const before = old === undefined ? undefined : policyOf(old.metadata.labels ?? {})
  const errorsText = JSON.stringify(policy.errors)
  // What was wrong before does not keep others from changing the namespace.
  if (policy.errors.length > 0 && errorsText !== JSON.stringify(before?.errors ?? []))
    throw invalid(namespaces, object.metadata.name, policy.errors)
  if (before === undefined || policy.enforce.level === 'privileged') return
  if (isSameLevel(policy.enforce, before.enforce)) return
  const isRelaxed = !isStricter(policy.enforce.level, before.enforce.level)
  if (policy.enforce.minor === before.enforce.minor && isRelaxed) return
  for (const text of warningsOfExisting(store, object as Namespace, policy.enforce)) warn(text)
}

function warningsOfExisting(store: Reads, { metadata: { name } }: Namespace, enforce: LevelVersion): readonly string[] {
  const existing = store
    .list({ resource: pods.storageName, namespace: name })
    .objects.map((stored) => stored.parse() as Pod)
  const ordered = oneOfEachFirst(existing)
  const podsByReasons = new Map<string, string[]>()
  for (const pod of ordered.slice(0, podsCheckedMax)) {
    const checked = checkedPod(pod)
    const reasons = checked === undefined ? '' : reasonsText(violationsOf(enforce, checked))
    if (reasons !== '') podsByReasons.set(reasons, [...(podsByReasons.get(reasons) ?? []), pod.metadata.name])
  }
  const texts = [...podsByReasons].map(([reasons, names]) => `${podsText(names)}: ${reasons}`).sort()
  return [
    ...(ordered.length > podsCheckedMax
      ? [
          `new PodSecurity enforce level only checked against the first ${podsCheckedMax} of ${ordered.length} existing pods`,
        ]
      : []),
    ...(texts.length > 0
      ? [
          `existing pods in namespace "${name}" violate the new PodSecurity enforce level "${levelVersionText(enforce)}"`,
        ]
      : []),
    ...texts,
  ]
}

// Pods of one controller are alike, so one of each comes before the rest.
function oneOfEachFirst(all: readonly Pod[]): readonly Pod[] {
  const seen = new Set<string>()
  const [first, rest]: [Pod[], Pod[]] = [[], []]
  for (const pod of all) {
    const uid = controllerOf(pod)?.uid
    const list = uid !== undefined && seen.has(uid) ? rest : first
    list.push(pod)
    if (uid !== undefined) seen.add(uid)
  }
  return [...first, ...rest]
}

function podsText(names: readonly string[]): string {
  const first = names.toSorted()[0] as string
  if (names.length === 1) return first
  return `${first} (and ${names.length - 1} other ${names.length === 2 ? 'pod' : 'pods'})`
}
