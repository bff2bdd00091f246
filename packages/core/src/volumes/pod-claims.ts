import { controllerOf } from '@binnacle/apimachinery'
import type { PersistentVolumeClaim, Pod, Volume } from '@binnacle/resources'

/** Which claims a pod uses, by name: those that it names, and those that are made for its ephemeral volumes. */

/** A claim of a pod. */
export interface ClaimOfPod {
  readonly volume: Volume
  readonly claimName: string
  /** The claim is made for this pod alone and must be owned by it. */
  readonly isEphemeral: boolean
  readonly isReadOnly: boolean
}

/** The claims behind a pod's volumes, in the order of the volumes. */
export function claimsOfPod(pod: Pod): ClaimOfPod[] {
  const claims: ClaimOfPod[] = []
  for (const volume of pod.spec?.volumes ?? []) {
    const { persistentVolumeClaim: named, ephemeral } = volume
    if (named !== undefined)
      claims.push({ volume, claimName: named.claimName, isEphemeral: false, isReadOnly: named.readOnly === true })
    else if (ephemeral !== undefined)
      claims.push({ volume, claimName: ephemeralClaimName(pod, volume), isEphemeral: true, isReadOnly: false })
  }
  return claims
}

/** What the claim of an ephemeral volume is called. */
export function ephemeralClaimName(pod: Pod, volume: Volume): string {
  return `${pod.metadata.name}-${volume.name}`
}

/** Why a claim that has the right name is not this pod's, in upstream's words; undefined when it is. */
export function whyNotForPod(pod: Pod, claim: PersistentVolumeClaim): string | undefined {
  if (controllerOf(claim)?.uid === pod.metadata.uid && pod.metadata.uid !== undefined) return undefined
  const { namespace, name } = pod.metadata
  return `PVC ${claim.metadata.namespace}/${claim.metadata.name} was not created for pod ${namespace}/${name} (pod is not owner)`
}
