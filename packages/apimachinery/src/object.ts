/** A reference from a dependent to its owner, as `metav1.OwnerReference`. */
export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  /** True for the one owner that manages the dependent. */
  controller?: boolean
  /** True when the owner cannot be deleted in the foreground before this dependent is gone. */
  blockOwnerDeletion?: boolean
}

/** Who owns which fields, as `metav1.ManagedFieldsEntry`. */
export interface ManagedFieldsEntry {
  manager?: string
  operation?: string
  apiVersion?: string
  time?: string
  fieldsType?: string
  fieldsV1?: unknown
  subresource?: string
}

/** Metadata that every persisted object has, as `metav1.ObjectMeta`. Times are RFC 3339 in UTC with second precision. */
export interface ObjectMeta {
  name: string
  generateName?: string
  namespace?: string
  uid?: string
  /** The revision of the last write of this object, in decimal digits. */
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: ManagedFieldsEntry[]
  selfLink?: string
}

/** Any object of any kind. Generated kinds (`Pod`, `Deployment` …) extend it with their own fields. */
export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** An object whose kind is not known when the code is written: every field is reachable, none is typed. */
export type UnstructuredObject = KubernetesObject & Record<string, unknown>

/** What names an object within its resource. `namespace` is '' for cluster-scoped resources. */
export interface ObjectKey {
  readonly namespace: string
  readonly name: string
}

/** The key of an object. */
export function keyOf(object: { metadata: { namespace?: string; name: string } }): ObjectKey {
  return { namespace: object.metadata.namespace ?? '', name: object.metadata.name }
}

/** `namespace/name`, or `name` alone for a cluster-scoped object: the form that client-go's MetaNamespaceKeyFunc gives. */
export function formatKey(key: ObjectKey): string {
  return key.namespace === '' ? key.name : `${key.namespace}/${key.name}`
}

/** The inverse of {@link formatKey}. */
export function parseKey(text: string): ObjectKey {
  const slash = text.indexOf('/')
  return slash < 0 ? { namespace: '', name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) }
}
