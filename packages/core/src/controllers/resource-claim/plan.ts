import { controllerOf, controllerReference } from '@binnacle/apimachinery'
import type { Pod, ResourceClaimTemplate, ResourceClaimV1 } from '@binnacle/resources'

/** On a claim made for a pod: the entry of the pod's `spec.resourceClaims` that it is for. */
export const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name'
/** Keeps a claim while devices are allocated for it. */
export const allocationFinalizer = 'resource.kubernetes.io/delete-protection'

/** An entry of a pod's `spec.resourceClaims`. */
export type PodClaim = NonNullable<NonNullable<Pod['spec']>['resourceClaims']>[number]

// Room for a hyphen and five random characters in a label's 63.
const prefixLengthMax = 57

/** The claim that a template describes, for an entry of a pod. */
export function claimFromTemplate(pod: Pod, { name }: PodClaim, template: ResourceClaimTemplate): ResourceClaimV1 {
  const { metadata, spec } = template.spec
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: {
      name: '',
      generateName: generateNameOf(pod.metadata.name, name),
      namespace: pod.metadata.namespace ?? '',
      annotations: { ...metadata?.annotations, [podClaimAnnotation]: name },
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      ownerReferences: [controllerReference(pod)],
    },
    spec,
  }
}

// Both names are shortened in proportion, so that neither is lost.
function generateNameOf(podName: string, claimName: string): string {
  const whole = `${podName}-${claimName}-`
  if (whole.length <= prefixLengthMax) return whole
  const shorten = (name: string): string => name.slice(0, Math.floor((name.length * prefixLengthMax) / whole.length))
  return `${shorten(podName)}-${shorten(claimName)}`
}

/** The claim among those that the pod owns which was made for an entry. */
export function claimMadeFor({ name }: PodClaim, owned: readonly ResourceClaimV1[]): ResourceClaimV1 | undefined {
  return owned.find(({ metadata }) => metadata.annotations?.[podClaimAnnotation] === name)
}

/** The claim's name behind an entry: undefined when it is still to be made, '' when none is needed. */
export function claimNameOf(
  pod: Pod,
  { name, resourceClaimName, resourceClaimTemplateName }: PodClaim,
): string | undefined {
  if (resourceClaimName !== undefined) return resourceClaimName
  if (resourceClaimTemplateName === undefined) return ''
  const made = pod.status?.resourceClaimStatuses?.find((status) => status.name === name)
  return made === undefined ? undefined : (made.resourceClaimName ?? '')
}

/** True when no container of the pod runs or ever will. */
export function isPodDone({ metadata, spec, status }: Pod): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return true
  return metadata.deletionTimestamp !== undefined && !spec?.nodeName
}

/** True when the claim is set aside for the pod. */
export function isReservedFor(claim: ResourceClaimV1, pod: Pod): boolean {
  return claim.status?.reservedFor?.some(({ uid }) => uid === pod.metadata.uid) === true
}

/** What is to be done about a claim, given which of its reservations still hold. */
export interface ReleasePlan {
  /** The status to write; undefined when it stays. */
  readonly status: ResourceClaimV1['status'] | undefined
  readonly dropsFinalizer: boolean
  /** It was made for a pod that needs it no more. */
  readonly isToBeDeleted: boolean
}

/** Decides about a claim (kube-controller-manager `syncClaim`): who is done gives it back, and the last one gives up the devices. */
export function planRelease(
  claim: ResourceClaimV1,
  isHeld: (uid: string) => boolean,
  owner: Pod | undefined,
): ReleasePlan {
  const reserved = claim.status?.reservedFor ?? []
  const reservedFor = reserved.filter(({ uid }) => isHeld(uid))
  const isProtected = claim.metadata.finalizers?.includes(allocationFinalizer) === true
  const isUnused = reservedFor.length === 0
  const isReleased = isUnused && isProtected && (reserved.length > 0 || claim.metadata.deletionTimestamp !== undefined)
  const { allocation, reservedFor: _before, ...rest } = claim.status ?? {}
  const status = {
    ...rest,
    ...(allocation === undefined || isReleased ? {} : { allocation }),
    ...(isUnused ? {} : { reservedFor }),
  }
  const isChanged = reservedFor.length < reserved.length || (isReleased && allocation !== undefined)
  const ownerUid = controllerOf(claim)?.uid
  return {
    status: isChanged ? status : undefined,
    dropsFinalizer: isReleased,
    isToBeDeleted:
      isUnused &&
      claim.metadata.deletionTimestamp === undefined &&
      owner !== undefined &&
      (owner.metadata.uid !== ownerUid || isPodDone(owner)),
  }
}
