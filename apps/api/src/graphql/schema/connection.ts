import { badRequest } from '@binnacle/apimachinery'
import { decodeContinue, encodeContinue, inVersion, type ListAnswer, type SelectRequest } from '@binnacle/apiserver'
import type { ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'
import {
  GraphQLBoolean,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLString,
} from 'graphql'
import type { GraphqlContext } from '../context.ts'
import type { Fields } from './type-builder.ts'

/** Objects of a page unless the query says how many. */
export const pageSizeDefault = 100
/** The most objects of one page. */
export const pageSizeMax = 500

/** The arguments of every list. */
export interface ListArguments {
  readonly namespace?: string | null
  readonly labelSelector?: string | null
  readonly fieldSelector?: string | null
  readonly first?: number | null
  readonly after?: string | null
}

/** Arguments that select and page, without `namespace`. */
export const pageArguments = {
  labelSelector: { type: GraphQLString, description: 'As `kubectl get -l`: `app=web,tier in (a, b)`.' },
  fieldSelector: { type: GraphQLString, description: 'As `kubectl get --field-selector`: `status.phase=Running`.' },
  first: { type: GraphQLInt, defaultValue: pageSizeDefault, description: `How many; at most ${pageSizeMax}.` },
  after: { type: GraphQLString, description: 'A cursor: the page goes on behind it, in the same snapshot.' },
}

/** The arguments of an edge that leads to many. */
export const edgeArguments = {
  ...pageArguments,
  after: { type: GraphQLString, description: 'A cursor: the page goes on behind it, in the present state.' },
}

const pageInfo = new GraphQLObjectType({
  name: 'PageInfo',
  fields: {
    hasNextPage: { type: new GraphQLNonNull(GraphQLBoolean) },
    endCursor: {
      type: GraphQLString,
      description: 'Where the next page begins; the same token as `continue` of the REST API.',
    },
  },
})

/** One page, as the resolvers of a connection read it. */
export interface Page {
  readonly objects: readonly StoredObject[]
  readonly definition: ResourceDefinition
  readonly revision: number
  readonly hasNextPage: boolean
  /** How many there are in all. Costs a walk for pages of an older snapshot. */
  readonly totalCount: () => number | Promise<number>
}

/** The connection type over a node type. */
export function connectionType(name: string, node: GraphQLOutputType): GraphQLObjectType {
  const edge = new GraphQLObjectType({
    name: `${name}Edge`,
    fields: { cursor: { type: new GraphQLNonNull(GraphQLString) }, node: { type: new GraphQLNonNull(node) } },
  })
  return new GraphQLObjectType({
    name: `${name}Connection`,
    fields: connectionFields(node, edge),
  })
}

function connectionFields(node: GraphQLOutputType, edge: GraphQLObjectType): Fields {
  const many = (type: GraphQLOutputType) => new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)))
  return {
    nodes: {
      type: many(node),
      resolve: ({ definition, objects }: Page) => objects.map((object) => sourceOf(definition, object)),
    },
    edges: {
      type: many(edge),
      resolve: ({ definition, objects, revision }: Page) =>
        objects.map((object) => ({
          cursor: encodeContinue({ revision, after: object.key }),
          node: sourceOf(definition, object),
        })),
    },
    pageInfo: {
      type: new GraphQLNonNull(pageInfo),
      resolve: ({ objects, revision, hasNextPage }: Page) => {
        const last = objects.at(-1)
        return {
          hasNextPage,
          endCursor: last === undefined ? null : encodeContinue({ revision, after: last.key }),
        }
      },
    },
    totalCount: {
      type: new GraphQLNonNull(GraphQLInt),
      description: 'How many there are on all pages; counted only when asked for.',
      resolve: (page: Page) => page.totalCount(),
    },
    resourceVersion: {
      type: new GraphQLNonNull(GraphQLString),
      description: 'The state that the list shows; a subscription can go on from it.',
      resolve: ({ revision }: Page) => String(revision),
    },
  }
}

/** An object of the store as resolvers see it. */
export function sourceOf(definition: ResourceDefinition, object: StoredObject): any {
  return inVersion(definition, object)
}

/** Checks `first`. @throws StatusError BadRequest */
export function pageSize(first: number | null | undefined): number {
  const size = first ?? pageSizeDefault
  if (size < 1 || size > pageSizeMax) throw badRequest(`first must be from 1 to ${pageSizeMax}, not ${size}`)
  return size
}

/** A page of what is already at hand and in key order: the present state of an edge, or the first page of a list. */
export function pageOf(
  { server }: GraphqlContext,
  definition: ResourceDefinition,
  all: readonly StoredObject[],
  { first, after }: ListArguments,
): Page {
  const size = pageSize(first)
  const start = after ? firstBehind(all, decodeContinue(after).after) : 0
  const objects = all.slice(start, start + size)
  return {
    objects,
    definition,
    revision: server.store.cachedRevision,
    hasNextPage: all.length > start + size,
    totalCount: () => all.length,
  }
}

function firstBehind(
  objects: readonly StoredObject[],
  { namespace, name }: { namespace: string; name: string },
): number {
  const index = objects.findIndex(
    ({ key }) => key.namespace > namespace || (key.namespace === namespace && key.name > name),
  )
  return index < 0 ? objects.length : index
}

/** A list: the first page from the present state in this very tick, later ones from the snapshot that their cursor names. */
export function listPage(
  context: GraphqlContext,
  definition: ResourceDefinition,
  given: ListArguments,
): Page | Promise<Page> {
  const select = {
    namespace: given.namespace ?? undefined,
    labelSelector: given.labelSelector ?? undefined,
    fieldSelector: given.fieldSelector ?? undefined,
  }
  const { after } = given
  if (!after) return pageOf(context, definition, context.server.listNow(context.request, definition, select), given)
  const request = { ...select, limit: pageSize(given.first), continue: after }
  return context.server.list(context.request, definition, request).then((answer) => ({
    objects: answer.objects,
    definition,
    revision: answer.revision,
    hasNextPage: answer.continue !== '',
    totalCount: async () => await countAll(context, definition, answer, select),
  }))
}

async function countAll(
  { server, request }: GraphqlContext,
  definition: ResourceDefinition,
  { revision }: ListAnswer,
  select: SelectRequest,
): Promise<number> {
  const answer = await server.list(request, definition, {
    ...select,
    resourceVersion: String(revision),
    resourceVersionMatch: 'Exact',
  })
  return answer.objects.length
}
