/** Annotations, finalizers and names that parts of the volume machinery tell each other by (upstream `storage/volume/pv_helpers.go`). */

/** On a volume or claim: the binder chose the other side, so it may also undo the choice. */
export const boundByControllerAnnotation = 'pv.kubernetes.io/bound-by-controller'
/** On a claim: it has been bound once; from then on a missing volume means lost data. */
export const bindCompletedAnnotation = 'pv.kubernetes.io/bind-completed'
/** On a volume: the provisioner that made it and may delete it. */
export const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by'
/** On a claim: the provisioner that is to make its volume. */
export const storageProvisionerAnnotation = 'volume.kubernetes.io/storage-provisioner'
/** The same under the name that older provisioners look for. */
export const betaStorageProvisionerAnnotation = 'volume.beta.kubernetes.io/storage-provisioner'
/** On a claim: the node for which its volume is to be made, chosen by the scheduler. */
export const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node'
/** On a volume that is being expanded for the file system on the node: its size before. */
export const preResizeCapacityAnnotation = 'volume.alpha.kubernetes.io/pre-resize-capacity'
/** On a class: claims that name none get it. */
export const defaultClassAnnotation = 'storageclass.kubernetes.io/is-default-class'
/** The provisioner of classes whose volumes are made by hand. */
export const noProvisioner = 'kubernetes.io/no-provisioner'

const betaDefaultClassAnnotation = 'storageclass.beta.kubernetes.io/is-default-class'
const betaClassAnnotation = 'volume.beta.kubernetes.io/storage-class'

interface Annotated {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
}

/** True when the annotation is there, whatever it says. */
export function isAnnotated({ metadata }: Annotated, annotation: string): boolean {
  return metadata.annotations !== undefined && Object.hasOwn(metadata.annotations, annotation)
}

/** The class that a claim or volume names; '' for none. The annotation of old goes before the field. */
export function storageClassNameOf(
  object: Annotated & { readonly spec?: { readonly storageClassName?: string } },
): string {
  return object.metadata.annotations?.[betaClassAnnotation] ?? object.spec?.storageClassName ?? ''
}

/** True when the claim says something about its class, be it that it wants none. */
export function saysStorageClass(
  claim: Annotated & { readonly spec?: { readonly storageClassName?: string } },
): boolean {
  return isAnnotated(claim, betaClassAnnotation) || claim.spec?.storageClassName !== undefined
}

/** True for a class that claims get which name none. */
export function isDefaultClass({ metadata }: Annotated): boolean {
  const { [defaultClassAnnotation]: now, [betaDefaultClassAnnotation]: before } = metadata.annotations ?? {}
  return now === 'true' || before === 'true'
}
