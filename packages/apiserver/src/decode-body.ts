import {
  badRequest,
  type Decoded,
  decodeStructural,
  type KubernetesObject,
  type SchemaLookup,
  StatusError,
} from '@binnacle/apimachinery'
import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import type { RequestContext, WriteRequestOptions } from './api-server.ts'

/** What decoding needs to know of a kind. */
export type BodyKind = Pick<ResourceDefinition, 'group' | 'version' | 'kind' | 'schema' | 'custom'>

/** Holds an object against the structure of its kind, or against the schema of a custom one. */
export function decodeObject(
  { custom, schema }: BodyKind,
  schemas: SchemaLookup,
  source: Record<string, unknown>,
  isConfiguration = false,
): Decoded {
  return custom === undefined ? decodeStructural(schema, schemas, source) : custom.decode(source, isConfiguration)
}

/** How a body is decoded: as an object, or as the configuration of an apply. */
export interface DecodeOptions extends WriteRequestOptions {
  readonly isConfiguration?: boolean
}

/**
 * Makes an object of a request's body: its type must be the definition's, its structure must fit, unknown fields are refused, warned of or
 * ignored. The body is taken over and may be changed.
 */
export function decodeBody(
  request: RequestContext,
  definition: BodyKind,
  schemas: SchemaLookup,
  body: unknown,
  options: DecodeOptions,
): KubernetesObject {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw badRequest(
      `${definition.kind} in version "${definition.version}" cannot be handled as a ${definition.kind}: json: cannot unmarshal ${Array.isArray(body) ? 'array' : typeof body} into Go value of type ${definition.version}.${definition.kind}`,
    )
  }
  const source = body as Record<string, unknown>
  checkType(definition, source)
  const { value, unknownFields, typeError } = decodeObject(definition, schemas, source, options.isConfiguration)
  if (typeError !== undefined)
    throw badRequest(
      `${definition.kind} in version "${definition.version}" cannot be handled as a ${definition.kind}: ${typeError}`,
    )
  reportStrictErrors(request, unknownFields, options)
  const object = value as unknown as KubernetesObject
  object.apiVersion = apiVersionOf(definition)
  object.kind = definition.kind
  object.metadata ??= {} as KubernetesObject['metadata']
  return object
}

function checkType(definition: BodyKind, source: Record<string, unknown>): void {
  const { apiVersion, kind } = source
  const expected = apiVersionOf(definition)
  if (apiVersion !== undefined && apiVersion !== '' && apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${expected})`,
    )
  }
  if (kind !== undefined && kind !== '' && kind !== definition.kind) {
    throw badRequest(
      `${definition.kind} in version "${definition.version}" cannot be handled as a ${definition.kind}: no kind "${String(kind)}" is registered for version "${expected}"`,
    )
  }
}

function reportStrictErrors(
  request: RequestContext,
  unknownFields: readonly string[],
  options: WriteRequestOptions,
): void {
  const { fieldValidation = 'Warn', duplicateFields = [] } = options
  if (fieldValidation === 'Ignore' || (unknownFields.length === 0 && duplicateFields.length === 0)) return
  const problems = [
    ...duplicateFields.map((field) => `duplicate field "${field}"`),
    ...unknownFields.map((field) => `unknown field "${field}"`),
  ]
  if (fieldValidation === 'Strict') throw new StatusError('BadRequest', `strict decoding error: ${problems.join(', ')}`)
  for (const problem of problems) request.warn(problem)
}
