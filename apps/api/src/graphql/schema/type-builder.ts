import type { FieldSchema, ObjectSchema, TypeRef } from '@binnacle/apimachinery'
import type { ResourceDefinition, ResourceRegistry } from '@binnacle/resources'
import {
  GraphQLBoolean,
  type GraphQLFieldConfig,
  GraphQLFloat,
  GraphQLID,
  type GraphQLInputFieldConfig,
  GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLScalarType,
  GraphQLString,
} from 'graphql'
import type { GraphqlContext, ObjectSource } from '../context.ts'
import { encodeId } from './object-id.ts'
import { fieldName, type GraphqlNames } from './names.ts'
import {
  base64Scalar,
  int64Scalar,
  intOrStringScalar,
  jsonScalar,
  quantityScalar,
  stringMapScalar,
  timeScalar,
} from './scalars.ts'

/** Field configs of this schema. */
export type Fields = Record<string, GraphQLFieldConfig<any, GraphqlContext, any>>

const scalars: Record<string, GraphQLScalarType> = {
  string: GraphQLString,
  boolean: GraphQLBoolean,
  int32: GraphQLInt,
  int64: int64Scalar,
  double: GraphQLFloat,
  bytes: base64Scalar,
  time: timeScalar,
  microTime: timeScalar,
  intOrString: intOrStringScalar,
  quantity: quantityScalar,
  json: jsonScalar,
}

/** What kinds' types have besides the fields of their schema; given by edges.ts. */
export interface KindExtras {
  readonly interfaces: () => any[]
  fieldsOf(definition: ResourceDefinition): Fields
}

/** Makes output and input types from the schemas of kinds, each once, fields lazily (schemas may be recursive). */
export class TypeBuilder {
  readonly registry: ResourceRegistry
  readonly names: GraphqlNames
  readonly #outputs = new Map<string, GraphQLObjectType>()
  readonly #inputs = new Map<string, GraphQLInputObjectType>()
  readonly #kinds: Map<string, ResourceDefinition>
  readonly #renamed = new Map<string, boolean>()
  extras: KindExtras = { interfaces: () => [], fieldsOf: () => ({}) }

  constructor(registry: ResourceRegistry, names: GraphqlNames) {
    this.registry = registry
    this.names = names
    this.#kinds = new Map(registry.served.map((definition) => [definition.schema.name, definition]))
  }

  /** The type of a kind. */
  kind(definition: ResourceDefinition): GraphQLObjectType {
    return this.object(definition.schema.name)
  }

  /** The type of an object schema. */
  object(schemaName: string): GraphQLObjectType {
    let type = this.#outputs.get(schemaName)
    if (type !== undefined) return type
    const schema = this.registry.schemas(schemaName)
    const definition = this.#kinds.get(schemaName)
    const isKind = definition !== undefined && definition.virtual !== true
    type = new GraphQLObjectType({
      name: this.names.typeOf(schemaName),
      description: schema.description,
      interfaces: () => (isKind ? this.extras.interfaces() : []),
      fields: () => ({
        ...this.#outputFields(schema, isKind),
        ...(isKind ? { ...identityFields(() => definition), ...this.extras.fieldsOf(definition) } : {}),
      }),
    })
    this.#outputs.set(schemaName, type)
    return type
  }

  #outputFields(schema: ObjectSchema, isKind: boolean): Fields {
    const fields: Fields = {}
    for (const field of schema.fields) {
      const name = fieldName(field.name)
      const type = this.#output(field.type)
      const always = isKind && (field.name === 'metadata' || field.name === 'kind' || field.name === 'apiVersion')
      fields[name] = {
        type: always ? new GraphQLNonNull(type) : type,
        description: describe(field),
        ...(name === field.name ? {} : { resolve: (source: ObjectSource) => source[field.name] }),
      }
    }
    if (schema.name.endsWith('.ObjectMeta')) Object.assign(fields, metadataExtras)
    return fields
  }

  #output(type: TypeRef): GraphQLOutputType {
    if (type.kind === 'list') return new GraphQLList(new GraphQLNonNull(this.#output(type.of)))
    if (type.kind === 'object')
      return this.registry.schemas(type.name).fields.length === 0 ? jsonScalar : this.object(type.name)
    return leafOf(type)
  }

  /** The input type of an object schema. */
  input(schemaName: string): GraphQLInputObjectType {
    let type = this.#inputs.get(schemaName)
    if (type !== undefined) return type
    const schema = this.registry.schemas(schemaName)
    type = new GraphQLInputObjectType({
      // The output type of the same name has the descriptions.
      name: `${this.names.typeOf(schemaName)}Input`,
      fields: () =>
        Object.fromEntries(
          schema.fields.map((field): [string, GraphQLInputFieldConfig] => [
            fieldName(field.name),
            { type: this.#input(field.type) },
          ]),
        ),
    })
    this.#inputs.set(schemaName, type)
    return type
  }

  // Nothing is non-null here: what is missing is the write path's to say, in the words of Kubernetes.
  #input(type: TypeRef): GraphQLInputType {
    if (type.kind === 'list') return new GraphQLList(this.#input(type.of))
    if (type.kind === 'object')
      return this.registry.schemas(type.name).fields.length === 0 ? jsonScalar : this.input(type.name)
    return leafOf(type)
  }

  /** An input as the object that goes on to the write path: fields under their names on the wire, plain prototypes. */
  toWire(schemaName: string, input: unknown): Record<string, unknown> {
    return this.#toWire({ kind: 'object', name: schemaName }, input) as Record<string, unknown>
  }

  #toWire(type: TypeRef, value: unknown): unknown {
    if (value === null || value === undefined) return value
    if (type.kind === 'list' && Array.isArray(value)) return value.map((item) => this.#toWire(type.of, item))
    if (type.kind !== 'object' || typeof value !== 'object') return value
    const schema = this.registry.schemas(type.name)
    if (schema.fields.length === 0) return value
    const wire: Record<string, unknown> = {}
    const given = value as Record<string, unknown>
    if (!this.#hasRenamedFields(schema)) {
      for (const name in given) wire[name] = this.#toWire((schema.byName.get(name) as FieldSchema).type, given[name])
      return wire
    }
    for (const field of schema.fields) {
      const name = fieldName(field.name)
      if (name in given) wire[field.name] = this.#toWire(field.type, given[name])
    }
    return wire
  }

  #hasRenamedFields(schema: ObjectSchema): boolean {
    let known = this.#renamed.get(schema.name)
    if (known === undefined) {
      known = schema.fields.some((field) => fieldName(field.name) !== field.name)
      this.#renamed.set(schema.name, known)
    }
    return known
  }
}

function leafOf(type: TypeRef): GraphQLScalarType {
  if (type.kind === 'scalar') return scalars[type.scalar] as GraphQLScalarType
  const texts =
    type.kind === 'map' && type.of.kind === 'scalar' && ['string', 'bytes', 'quantity'].includes(type.of.scalar)
  return texts ? stringMapScalar : jsonScalar
}

function describe({ description, enum: values }: FieldSchema): string {
  return values === undefined || values.length === 0
    ? description
    : `${description}\n\nOne of: ${values.map((value) => JSON.stringify(value)).join(', ')}.`
}

/** What every object has besides the fields of its kind. */
export function identityFields(definitionOf: (source: ObjectSource) => ResourceDefinition): Fields {
  return {
    id: {
      type: new GraphQLNonNull(GraphQLID),
      description: 'Names this object among all, for `objectById` and for clients that cache; opaque.',
      resolve: (source: ObjectSource) => encodeId(definitionOf(source), source['metadata']),
    },
    _json: {
      type: new GraphQLNonNull(jsonScalar),
      description: 'The whole object, as the REST API gives it.',
      resolve: (source: ObjectSource) => source,
    },
  }
}

const keyArgument = { key: { type: new GraphQLNonNull(GraphQLString) } }

const metadataExtras: Fields = {
  label: {
    type: GraphQLString,
    description: 'One label.',
    args: keyArgument,
    resolve: (source: ObjectSource, { key }) => source['labels']?.[key],
  },
  annotation: {
    type: GraphQLString,
    description: 'One annotation.',
    args: keyArgument,
    resolve: (source: ObjectSource, { key }) => source['annotations']?.[key],
  },
}
