import { readFileSync } from 'node:fs'
import type { FieldSchema, ObjectSchema, ScalarType, SchemaLookup, TypeRef } from '@binnacle/apimachinery'
import { atomicTypes, mergeMetadata } from './merge-metadata.ts'
import { ownSchemas } from './own-resources.ts'

interface CompactField {
  readonly n: string
  readonly t: string
  readonly d?: string
  readonly r?: 1
  readonly e?: readonly string[]
}
/** Structures by dotted name, as they are generated. */
export type CompactSchemas = Record<string, { readonly d: string; readonly f: readonly CompactField[] }>

const compact: CompactSchemas = {
  ...(JSON.parse(readFileSync(new URL('./generated/schemas.json', import.meta.url), 'utf8')) as CompactSchemas),
  ...ownSchemas,
}
/** The structures that have been asked for, by dotted name. */
export const expandedSchemas = new Map<string, ObjectSchema>()

/**
 * The structure of a built-in type by its dotted name; expanded when first asked for.
 * @throws Error for an unknown name: a dangling reference is a mistake of ours.
 */
export const schemaOf: SchemaLookup = (name) => {
  let schema = expandedSchemas.get(name)
  if (schema === undefined) {
    const source = compact[name]
    if (source === undefined) throw new Error(`no schema is called ${name}`)
    const short = name.split('.').slice(-3).join('.')
    const fields = source.f.map((field) => expandField(field, short))
    const byName = new Map(fields.map((field) => [field.name, field]))
    schema = {
      name,
      description: source.d,
      fields,
      byName,
      ...(atomicTypes.has(short) ? { atomic: true as const } : {}),
    }
    expandedSchemas.set(name, schema)
  }
  return schema
}

/** The names of all built-in types. */
export const schemaNames: readonly string[] = Object.keys(compact)

function expandField(field: CompactField, type: string): FieldSchema {
  return {
    name: field.n,
    type: expandType(field.t),
    description: field.d ?? '',
    required: field.r === 1,
    ...(field.e === undefined ? {} : { enum: field.e }),
    ...mergeMetadata.get(`${type}/${field.n}`),
  }
}

function expandType(text: string): TypeRef {
  if (text.startsWith('[]')) return { kind: 'list', of: expandType(text.slice(2)) }
  if (text.startsWith('{}')) return { kind: 'map', of: expandType(text.slice(2)) }
  if (text.startsWith('#'))
    return openTypes.has(text.slice(1)) ? { kind: 'scalar', scalar: 'json' } : { kind: 'object', name: text.slice(1) }
  return { kind: 'scalar', scalar: text as ScalarType }
}

// Types whose JSON is free-form although the type packages give them as objects.
const openTypes = new Set([
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1',
  'io.k8s.apimachinery.pkg.runtime.RawExtension',
])
