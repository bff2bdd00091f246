import type { KubernetesObject, OwnerReference } from './object.ts'

/** The owner reference that is marked as controller. */
export function controllerOf(object: KubernetesObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true)
}

/** True when the owner controls the object. */
export function isControlledBy(object: KubernetesObject, owner: { metadata: { uid?: string } }): boolean {
  const uid = controllerOf(object)?.uid
  return uid !== undefined && uid === owner.metadata.uid
}

/** The reference that a controller puts on what it creates: it controls it, and its own foreground deletion waits for it. */
export function controllerReference(owner: KubernetesObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}
