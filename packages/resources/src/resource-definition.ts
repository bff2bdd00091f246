import type { Decoded, FieldError, KubernetesObject, ObjectKey, ObjectSchema } from '@binnacle/apimachinery'
import type { JsonSchema } from './custom/json-schema.ts'

/** Verbs of a resource as discovery lists them. */
export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch'

/** A column of `kubectl get` and of the dashboard. */
export interface PrinterColumn<T extends KubernetesObject = KubernetesObject> {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  readonly format?: string
  readonly description?: string
  /** 0: always shown; above 0: with `-o wide` only. */
  readonly priority?: number
  /**
   * The cell, as kube-apiserver's printers give it. Ages are computed against `nowMs`.
   * Declared as a method so that a column of a Pod fits a list of columns of any kind.
   */
  value(object: T, nowMs: number): string | number | boolean | null
}

/** How the objects of one resource lead to others; GraphQL edges and the dashboard's relations come from it. */
export type Edge = { readonly to: () => ResourceDefinition<any> } &
  /** Many: objects whose controller owner reference is this object. */
  (
    | { readonly by: 'controlledBy' }
    /** One: the controller of this object, when it is of that kind. */
    | { readonly by: 'controller' }
    /** One: the object that the text at `path` names, in the same namespace where that is namespaced. */
    | { readonly by: 'name'; readonly path: string }
    /** Many: the objects whose `path` names this object. */
    | { readonly by: 'namedBy'; readonly path: string }
    /** Many, same namespace: objects whose labels match the selector at `path` (a LabelSelector or a plain map). An empty plain map selects nothing. */
    | { readonly by: 'selector'; readonly path: string }
    /** Many, same namespace: objects whose selector at `path` matches this object's labels. */
    | { readonly by: 'selectedBy'; readonly path: string }
    /** Many, same namespace: objects that carry `label` = this object's name. */
    | { readonly by: 'label'; readonly label: string }
  )

/**
 * What a kind adds to the write path, with upstream's names and order (kube-apiserver `strategy.go`). Every hook may
 * change the object it is given (never the old one); validation only reports.
 */
export interface Strategy<T extends KubernetesObject = KubernetesObject> {
  /** Fills in defaults, on every decode of a write, as the kind's `SetDefaults_*` functions do. Idempotent. */
  applyDefaults?(object: T): void
  /** Clears what a client may not set on create (status, for kinds with that subresource, is cleared by the write path). */
  prepareForCreate?(object: T): void
  /** Likewise on update; the write path restores status from `old` and bumps generation when spec changed. */
  prepareForUpdate?(object: T, old: T): void
  /** Likewise on an update of the status subresource. */
  prepareForStatusUpdate?(object: T, old: T): void
  validate?(object: T): FieldError[]
  /** Rules that hold for new objects only, besides `validate`. */
  validateCreate?(object: T): FieldError[]
  validateUpdate?(object: T, old: T): FieldError[]
  validateStatusUpdate?(object: T, old: T): FieldError[]
  /** Rules of a write through a subresource other than `status` and `scale`: `ephemeralcontainers`, `resize`, `finalize`, `approval`. */
  validateSubresourceUpdate?(subresource: string, object: T, old: T): FieldError[]
  /** Texts for `Warning` headers. */
  warnings?(object: T): string[]
  /** Seconds that a graceful delete of this object takes when the request names none; undefined: deleted at once. */
  gracePeriodSeconds?(object: T, requestedSeconds: number | undefined): number | undefined
  /** What an object becomes when it is first asked to be deleted, before its finalizers are looked at. Never changes the one given. */
  prepareForDelete?(object: T, nowMs: number): T
  /** Rule for metadata.name; default: DNS-1123 subdomain. Returns problems as texts. */
  validateName?(name: string, isPrefix: boolean): string[]
}

/** A subresource other than `status` and `scale`: the kind of its request body. */
export interface OtherSubresource {
  readonly name: string
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly verbs: readonly Verb[]
}

/** Paths that make `scale` work (the names a CustomResourceDefinition uses). */
export interface ScaleSubresource {
  readonly specReplicasPath: string
  readonly statusReplicasPath: string
  /** Path of the selector in the object: a LabelSelector, or a plain map for ReplicationController. */
  readonly selectorPath: string
}

/** How objects that are not stored are told from ones that are: one for each object of another resource, with its name, namespace and labels. */
export interface View<T extends KubernetesObject = KubernetesObject> {
  of(): ResourceDefinition<any>
  /** The cluster-scoped resource that holds what is told … */
  records(): ResourceDefinition<any>
  /** … and the name of the record about an object; undefined: there is none. */
  recordOf(subject: KubernetesObject): string | undefined
  /** Undefined: nothing is known of it now. */
  tell(subject: KubernetesObject, record: any, nowMs: number): T | undefined
}

/** What only a kind has that a CustomResourceDefinition makes. */
export interface CustomKind {
  /** The uid of the CustomResourceDefinition: one of the same name that comes after it is another. */
  readonly uid: string
  /** It is being deleted with all its objects: there are no new ones. */
  readonly terminating: boolean
  /** What whoever uses this version is warned of. */
  readonly deprecationWarning?: string
  /** Its schema, for OpenAPI documents. */
  readonly schema: JsonSchema
  /** The structures of the objects within it, by the names that its own structure has for them. */
  readonly innerSchemas: ReadonlyMap<string, ObjectSchema>
  /** Reads a body: with defaults (but for a configuration, which says only what its applier wants), and without what the schema does not specify. */
  decode(body: Record<string, unknown>, isConfiguration?: boolean): Decoded
}

/**
 * One resource: everything that its REST routes, discovery, OpenAPI, GraphQL types, table columns, defaulting and validation
 * are derived from. Built-in and custom resources have the same shape.
 */
export interface ResourceDefinition<T extends KubernetesObject = KubernetesObject> {
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly listKind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly scope: 'Namespaced' | 'Cluster'
  readonly verbs: readonly Verb[]
  readonly schema: ObjectSchema
  readonly subresources: {
    readonly status?: true
    readonly scale?: ScaleSubresource
    readonly others: readonly OtherSubresource[]
  }
  /** Paths that field selectors may name, `metadata.name` and `metadata.namespace` first. */
  readonly selectableFields: readonly string[]
  readonly printerColumns: readonly PrinterColumn<T>[]
  readonly edges: Readonly<Record<string, Edge>>
  readonly strategy: Strategy<T>
  /** True when a change of spec bumps `metadata.generation`. */
  readonly hasGeneration: boolean
  /** Served without being asked for: GA versions, as kube-apiserver does. */
  readonly servedByDefault: boolean
  /**
   * The name under which the store keeps the objects: `pods`, `deployments.apps`. Two versions of a resource share it.
   */
  readonly storageName: string
  /** The version that is stored; other versions convert. */
  readonly storageVersion: string
  /** Conversion between this version and the stored one; absent where only `apiVersion` differs. */
  readonly convert?: { toStorage(object: T): KubernetesObject; fromStorage(object: KubernetesObject): T }
  /** For review kinds (TokenReview, SubjectAccessReview …) that are created but never stored. */
  readonly virtual?: true
  /** For kinds that can be read only, and are told from objects of other kinds (metrics). */
  readonly view?: View<T>
  /** For kinds that a CustomResourceDefinition makes. */
  readonly custom?: CustomKind
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(definition: { readonly group: string; readonly version: string }): string {
  return definition.group === '' ? definition.version : `${definition.group}/${definition.version}`
}

/** The selectable field values of an object, by path, `''` for absent ones. */
export type FieldValues = Readonly<Record<string, string>>

export type { ObjectKey }
