import type { KubernetesObject } from '@binnacle/apimachinery'

/** What a protection controller does next about one object. */
export type ProtectionPlan = 'nothing' | 'addFinalizer' | 'removeUnlessUsed'

/**
 * Decides about an object that is kept by a finalizer while it is in use (upstream `protectionutil`). Admission sets the finalizer on what is
 * new; it is added here to what has come in without it.
 */
export function planProtection({ metadata }: KubernetesObject, finalizer: string): ProtectionPlan {
  const isHeld = metadata.finalizers?.includes(finalizer) === true
  if (metadata.deletionTimestamp === undefined) return isHeld ? 'nothing' : 'addFinalizer'
  return isHeld ? 'removeUnlessUsed' : 'nothing'
}
