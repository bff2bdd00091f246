/**
 * The structure of kinds as data. Generated for built-in kinds (package resources), converted from a
 * CustomResourceDefinition otherwise; read by decoding, defaulting, strategic merge, OpenAPI, GraphQL and protobuf alike.
 */

/** Leaf types. `json` is any JSON value (RawExtension, FieldsV1, JSON); `bytes` is base64 text; `int64` may exceed 2^53. */
export type ScalarType =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'time'
  | 'microTime'
  | 'intOrString'
  | 'quantity'
  | 'json'

/** The type of a field. `object` names an {@link ObjectSchema} by its dotted name, so that schemas may be recursive. */
export type TypeRef =
  | { readonly kind: 'scalar'; readonly scalar: ScalarType }
  | { readonly kind: 'list'; readonly of: TypeRef }
  | { readonly kind: 'map'; readonly of: TypeRef }
  | { readonly kind: 'object'; readonly name: string }

/** One field of an object, under its name on the wire. */
export interface FieldSchema {
  readonly name: string
  readonly type: TypeRef
  readonly description: string
  readonly required: boolean
  readonly enum?: readonly string[]
  readonly default?: unknown
  /** Server-side-apply merge behaviour of lists and maps (`x-kubernetes-list-type`, `-list-map-keys`, `-map-type`). */
  readonly listType?: 'atomic' | 'set' | 'map'
  readonly listMapKeys?: readonly string[]
  /** `granular` for a field of any JSON: its objects have parts with owners of their own. */
  readonly mapType?: 'atomic' | 'granular'
  /** Strategic merge (`x-kubernetes-patch-strategy`, `-patch-merge-key`). */
  readonly patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[]
  readonly patchMergeKey?: string
}

/** An object type, e.g. `io.k8s.api.core.v1.PodSpec`. */
export interface ObjectSchema {
  readonly name: string
  readonly description: string
  readonly fields: readonly FieldSchema[]
  /** The fields by name; always the same set as `fields`. */
  readonly byName: ReadonlyMap<string, FieldSchema>
  /** True when the object has no parts that could have owners of their own (`x-kubernetes-map-type: atomic`). */
  readonly atomic?: true
  /** True when no field exists unless it is given: custom kinds, which are no structs of Go. */
  readonly allOptional?: true
  /** True when undeclared fields are kept (custom resources with `x-kubernetes-preserve-unknown-fields`). */
  readonly preserveUnknownFields?: boolean
}

/** Finds object schemas by dotted name. Throws on an unknown name: a dangling reference is our mistake. */
export type SchemaLookup = (name: string) => ObjectSchema
