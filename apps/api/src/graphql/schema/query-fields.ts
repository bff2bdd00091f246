import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import { badRequest, notFound, StatusError } from '@binnacle/apimachinery'
import { tableColumns } from '@binnacle/apiserver'
import {
  GraphQLBoolean,
  GraphQLID,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from 'graphql'
import type { GraphqlContext, ObjectSource } from '../context.ts'
import { toGraphqlError } from '../errors.ts'
import { type ListArguments, listPage, pageArguments, sourceOf } from './connection.ts'
import type { KindTypes } from './kind-types.ts'
import { decodeId } from './object-id.ts'
import type { Fields } from './type-builder.ts'

const text = new GraphQLNonNull(GraphQLString)
const texts = new GraphQLNonNull(new GraphQLList(text))

/** Names one resource of the API. */
export const resourceRef = new GraphQLInputObjectType({
  name: 'ResourceRef',
  description:
    'A resource as the REST API has it in its paths, e.g. `{group: "apps", version: "v1", plural: "deployments"}`.',
  fields: {
    group: { type: GraphQLString, defaultValue: '', description: 'Empty for the core group.' },
    version: { type: text },
    plural: { type: text },
  },
})

/** A ResourceRef as it arrives. */
export interface ResourceRef {
  readonly group: string | null
  readonly version: string
  readonly plural: string
}

/** The definition that a ResourceRef names. @throws StatusError NotFound */
export function definitionOf(types: KindTypes, { group, version, plural }: ResourceRef): ResourceDefinition {
  const definition = types.registry.byResource(group ?? '', version, plural)
  if (definition === undefined || definition.virtual === true)
    throw new StatusError(
      'NotFound',
      `the server has no resource ${plural} in ${apiVersionOf({ group: group ?? '', version })}`,
    )
  return definition
}

/** Runs a resolver of a read; its StatusErrors get GraphQL's form, also when they come later. */
export function reading(
  resolve: (args: any, context: GraphqlContext) => unknown,
): (source: unknown, args: any, context: GraphqlContext) => unknown {
  return (_source, args, context) => {
    try {
      const result = resolve(args, context)
      return result instanceof Promise
        ? result.catch((error: unknown) => Promise.reject(toGraphqlError(error)))
        : result
    } catch (error) {
      throw toGraphqlError(error)
    }
  }
}

/** Two fields a kind: one object by its name, and a list. */
export function kindQueries(types: KindTypes, definition: ResourceDefinition): Fields {
  const names = types.names.rootOf(definition)
  const namespaced = definition.scope === 'Namespaced'
  return {
    [names.one]: {
      type: types.object(definition),
      description: `One ${definition.kind} by its name; null when there is none.`,
      args: { ...(namespaced ? { namespace: { type: text } } : {}), name: { type: text } },
      resolve: reading(({ namespace, name }, context) => objectNow(context, definition, namespace, name)),
    },
    [names.many]: {
      type: new GraphQLNonNull(types.connection(definition)),
      description: `A list of ${definition.kind} objects, by ${namespaced ? 'namespace and ' : ''}name.`,
      args: {
        ...(namespaced ? { namespace: { type: GraphQLString, description: 'All namespaces without it.' } } : {}),
        ...pageArguments,
      },
      resolve: reading((args: ListArguments, context) => listPage(context, definition, args)),
    },
  }
}

function objectNow(
  { server, request }: GraphqlContext,
  definition: ResourceDefinition,
  namespace: string | null | undefined,
  name: string,
): ObjectSource | null {
  const object = server.getNow(request, definition, { namespace: namespace ?? '', name })
  return object === undefined ? null : sourceOf(definition, object)
}

/** Access by resource, for clients that learn of kinds while they run. */
export function genericQueries(types: KindTypes): Fields {
  return {
    resources: resourcesField(types),
    object: {
      type: types.anyObject,
      description: 'One object of any resource.',
      args: {
        resource: { type: new GraphQLNonNull(resourceRef) },
        namespace: { type: GraphQLString },
        name: { type: text },
      },
      resolve: reading(({ resource, namespace, name }, context) => {
        const definition = definitionOf(types, resource)
        if (definition.scope === 'Namespaced' && !namespace)
          throw badRequest(`${definition.plural} have a namespace: say which`)
        return objectNow(context, definition, definition.scope === 'Namespaced' ? namespace : '', name)
      }),
    },
    objects: {
      type: new GraphQLNonNull(types.anyConnection),
      description: 'A list of objects of any resource.',
      args: {
        resource: { type: new GraphQLNonNull(resourceRef) },
        namespace: { type: GraphQLString },
        ...pageArguments,
      },
      resolve: reading(({ resource, ...args }, context) => listPage(context, definitionOf(types, resource), args)),
    },
    objectById: {
      type: types.anyObject,
      description: 'The object with this `id`, while it exists.',
      args: { id: { type: new GraphQLNonNull(GraphQLID) } },
      resolve: reading(({ id }, context) => objectById(types, context, id)),
    },
  }
}

function objectById(types: KindTypes, { server, request }: GraphqlContext, id: string): ObjectSource | null {
  const named = decodeId(id)
  if (named === undefined) throw badRequest(`${JSON.stringify(id)} is not an id of this API`)
  const definition = definitionOf(types, named)
  const object = server.store.byUid(named.uid)
  if (object === undefined || object.key.resource !== definition.storageName) return null
  const found = server.getNow(request, definition, object.key)
  if (found === undefined) throw notFound(definition, object.key.name)
  return sourceOf(definition, found)
}

function resourcesField(types: KindTypes): Fields[string] {
  const column = new GraphQLObjectType({
    name: 'ResourceColumn',
    description: 'A column of a table of one resource.',
    fields: {
      name: { type: text },
      type: { type: text },
      format: { type: text },
      description: { type: text },
      priority: { type: new GraphQLNonNull(GraphQLInt), description: '0: always shown; above 0: in wide tables.' },
    },
  })
  const resource = new GraphQLObjectType({
    name: 'Resource',
    description: 'A resource that the server has, as API discovery describes it.',
    fields: {
      group: { type: text },
      version: { type: text },
      kind: { type: text },
      plural: { type: text },
      singular: { type: text },
      shortNames: { type: texts },
      categories: { type: texts },
      namespaced: {
        type: new GraphQLNonNull(GraphQLBoolean),
        resolve: ({ scope }: ResourceDefinition) => scope === 'Namespaced',
      },
      verbs: { type: texts },
      columns: {
        type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(column))),
        resolve: (definition: ResourceDefinition) => tableColumns(definition),
      },
    },
  })
  return {
    type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(resource))),
    description: 'Every resource of the API.',
    resolve: () => types.stored,
  }
}
