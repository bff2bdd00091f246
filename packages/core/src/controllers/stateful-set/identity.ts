import { controllerReference, type OwnerReference } from '@binnacle/apimachinery'
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, StatefulSet } from '@binnacle/resources'
import { podFromTemplate } from '../pod-template.ts'
import { revisionLabel } from '../revision-history.ts'

/** What a StatefulSet's pods are called, and which claims are theirs (kube-controller-manager `stateful_set_utils.go`). */

const podNameLabel = 'statefulset.kubernetes.io/pod-name'
const podIndexLabel = 'apps.kubernetes.io/pod-index'

/** The first ordinal of the set. */
export function startOrdinal(set: StatefulSet): number {
  return set.spec?.ordinals?.start ?? 0
}

/** The number at the end of a name, and the name before it; undefined for names without one. */
export function parseOrdinal(name: string): { parent: string; ordinal: number } | undefined {
  const parts = /^(.*)-([0-9]+)$/.exec(name)
  return parts === null ? undefined : { parent: parts[1] as string, ordinal: Number(parts[2]) }
}

/** The ordinal of a pod of the set; undefined when its name is none that the set gives. */
export function ordinalIn(set: StatefulSet, pod: Pod): number | undefined {
  const parsed = parseOrdinal(pod.metadata.name)
  return parsed?.parent === set.metadata.name ? parsed.ordinal : undefined
}

/** True for a pod that the present number of replicas keeps. */
export function isInRange(set: StatefulSet, pod: Pod): boolean {
  const ordinal = ordinalIn(set, pod)
  if (ordinal === undefined) return false
  const index = ordinal - startOrdinal(set)
  return index >= 0 && index < (set.spec?.replicas ?? 0)
}

/** The claims of a pod as the set's templates have them, by the name of the template (`getPersistentVolumeClaims`). */
export function claimsFor(set: StatefulSet, ordinal: number): Map<string, PersistentVolumeClaim> {
  const claims = new Map<string, PersistentVolumeClaim>()
  for (const template of set.spec?.volumeClaimTemplates ?? []) {
    const { status: _status, ...rest } = template
    const metadata = {
      ...template.metadata,
      name: `${template.metadata.name}-${set.metadata.name}-${ordinal}`,
      namespace: set.metadata.namespace ?? '',
      labels: { ...template.metadata.labels, ...set.spec?.selector.matchLabels },
    }
    claims.set(template.metadata.name, { ...rest, apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata })
  }
  return claims
}

/** The pod of an ordinal, from a template that is that of the named revision. */
export function podOf(set: StatefulSet, ordinal: number, template: PodTemplateSpec, revision: string): Pod {
  const pod = podFromTemplate(set, template)
  const name = `${set.metadata.name}-${ordinal}`
  const labels = { ...pod.metadata.labels, ...identityLabels(name, ordinal), [revisionLabel]: revision }
  const spec = { ...pod.spec, hostname: name } as NonNullable<Pod['spec']>
  // Without a Service the pods have a hostname, but no name in the cluster's DNS.
  if (set.spec?.serviceName) spec.subdomain = set.spec.serviceName
  return withStorage(set, { ...pod, metadata: { ...pod.metadata, name, labels }, spec }, ordinal)
}

const identityLabels = (name: string, ordinal: number) => ({ [podNameLabel]: name, [podIndexLabel]: String(ordinal) })

/** True when the pod carries the label that stands for its identity (`identityMatches`). */
export function hasIdentity(pod: Pod): boolean {
  return pod.metadata.labels?.[podNameLabel] === pod.metadata.name
}

/** True when the pod's volumes are its claims (`storageMatches`). */
export function hasStorage(set: StatefulSet, pod: Pod, ordinal: number): boolean {
  const volumes = pod.spec?.volumes ?? []
  return [...claimsFor(set, ordinal)].every(([name, claim]) =>
    volumes.some((volume) => volume.name === name && volume.persistentVolumeClaim?.claimName === claim.metadata.name),
  )
}

/** The pod with the labels and volumes that the set gives it. */
export function withIdentity(set: StatefulSet, pod: Pod, ordinal: number): Pod {
  const labels = { ...pod.metadata.labels, ...identityLabels(pod.metadata.name, ordinal) }
  return withStorage(set, { ...pod, metadata: { ...pod.metadata, labels } }, ordinal)
}

function withStorage(set: StatefulSet, pod: Pod, ordinal: number): Pod {
  const claims = claimsFor(set, ordinal)
  if (claims.size === 0) return pod
  const volumes = [
    ...[...claims].map(([name, claim]) => ({ name, persistentVolumeClaim: { claimName: claim.metadata.name } })),
    ...(pod.spec?.volumes ?? []).filter((volume) => !claims.has(volume.name)),
  ]
  return { ...pod, spec: { ...pod.spec, volumes } as NonNullable<Pod['spec']> }
}

type Owner = StatefulSet | Pod

// Kind and group: a reference's version may be an older one.
function names(reference: OwnerReference, owner: Owner): boolean {
  const group = (version: string): string => (version.includes('/') ? (version.split('/')[0] as string) : '')
  return (
    reference.kind === owner.kind &&
    group(reference.apiVersion) === group(owner.apiVersion) &&
    reference.name === owner.metadata.name
  )
}

/** True when the claim belongs to a former object of the owner's name: it is about to be deleted with it (`hasStaleOwnerRef`). */
export function hasStaleOwner(claim: PersistentVolumeClaim, owner: Owner): boolean {
  return (claim.metadata.ownerReferences ?? []).some(
    (reference) => names(reference, owner) && reference.uid !== owner.metadata.uid,
  )
}

function hasOwner(claim: PersistentVolumeClaim, owner: Owner): boolean {
  return (claim.metadata.ownerReferences ?? []).some((reference) => reference.uid === owner.metadata.uid)
}

function retention(set: StatefulSet): { deletedWithSet: boolean; deletedWithPod: boolean } {
  const policy = set.spec?.persistentVolumeClaimRetentionPolicy
  return { deletedWithSet: policy?.whenDeleted === 'Delete', deletedWithPod: policy?.whenScaled === 'Delete' }
}

/** True where claims go with the pods that a smaller set has no room for. */
export function deletesScaledDownClaims(set: StatefulSet): boolean {
  return retention(set).deletedWithPod
}

function ownersOf(set: StatefulSet, pod: Pod): { set: boolean; pod: boolean } {
  const { deletedWithSet, deletedWithPod } = retention(set)
  const isScaledDown = deletedWithPod && !isInRange(set, pod)
  return { set: deletedWithSet && !isScaledDown, pod: isScaledDown }
}

// Somebody else controls the claim; where claims are kept in any case, that is no matter.
function hasOtherController(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): boolean {
  const { deletedWithSet, deletedWithPod } = retention(set)
  if (!deletedWithSet && !deletedWithPod) return false
  return (claim.metadata.ownerReferences ?? []).some(
    (reference) => reference.controller === true && !names(reference, set) && !names(reference, pod),
  )
}

/**
 * The owner references that the claim needs so that the garbage collector does what the retention policy says; undefined when it has them, or when it
 * is better left alone (`isClaimOwnerUpToDate`, `updateClaimOwnerRefForSetAndPod`).
 */
export function ownersToSet(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): OwnerReference[] | undefined {
  if (hasStaleOwner(claim, set) || hasStaleOwner(claim, pod)) return undefined
  const references = claim.metadata.ownerReferences ?? []
  const [ofSet, ofPod] = [hasOwner(claim, set), hasOwner(claim, pod)]
  const others = references.filter((reference) => !names(reference, set) && !names(reference, pod))
  if (hasOtherController(claim, set, pod)) return ofSet || ofPod ? others : undefined
  const controls = references.every(
    ({ uid, controller }) => (uid !== set.metadata.uid && uid !== pod.metadata.uid) || controller === true,
  )
  const wanted = ownersOf(set, pod)
  if (controls && wanted.set === ofSet && wanted.pod === ofPod) return undefined
  const owner: Owner | undefined = wanted.set ? set : wanted.pod ? pod : undefined
  return owner === undefined ? others : [...others, controllerReference(owner)]
}
