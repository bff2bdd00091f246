import { controllerOf } from '@binnacle/apimachinery'
import type { ResourceClaimV1 } from '@binnacle/resources'
import { claimNameOf } from '../../controllers/resource-claim/plan.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'

/** Pods that a claim can be reserved for at once (`ResourceClaimReservedForMaxSize`). */
const reservedForMax = 256

/** `namespace/name` of the claims of a pod, '' for those still to be made; undefined when it has none, as for most pods. */
export function claimKeysOf(pod: SchedulablePod): readonly string[] | undefined {
  const entries = pod.spec.resourceClaims
  if (entries === undefined || entries.length === 0) return undefined
  return entries
    .map((entry) => claimNameOf(pod, entry))
    .filter((name) => name !== '')
    .map((name) => (name === undefined ? '' : `${pod.metadata.namespace ?? ''}/${name}`))
}

/** The claims of a pod, or why they cannot be used, in kube-scheduler's words. */
export function claimsOf(
  pod: SchedulablePod,
  find: (key: string) => ResourceClaimV1 | undefined,
): readonly ResourceClaimV1[] | { readonly problem: string } {
  const claims: ResourceClaimV1[] = []
  const { namespace = '', name: podName, uid } = pod.metadata
  for (const entry of pod.spec.resourceClaims ?? []) {
    const name = claimNameOf(pod, entry)
    if (name === '') continue
    if (name === undefined) return { problem: `pod "${namespace}/${podName}": ResourceClaim not created yet` }
    const claim = find(`${namespace}/${name}`)
    if (claim === undefined) return { problem: `resourceclaim.resource.k8s.io "${name}" not found` }
    if (claim.metadata.deletionTimestamp !== undefined) return { problem: `resourceclaim "${name}" is being deleted` }
    if (entry.resourceClaimTemplateName !== undefined && controllerOf(claim)?.uid !== uid)
      return {
        problem: `ResourceClaim ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`,
      }
    claims.push(claim)
  }
  return claims
}

/** True when the claim is reserved for the pod, or can be. */
export function canBeUsedBy(claim: ResourceClaimV1, uid: string | undefined): boolean {
  const reservedFor = claim.status?.reservedFor ?? []
  return reservedFor.length < reservedForMax || reservedFor.some((consumer) => consumer.uid === uid)
}
