import type { ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'
import { tableCells } from '@binnacle/apiserver'
import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLID,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLString,
} from 'graphql'
import type { GraphqlContext } from '../context.ts'
import { toGraphqlError } from '../errors.ts'
import { type EventShape, type LiveBatch, LiveSource } from '../live/live-source.ts'
import { sourceOf } from './connection.ts'
import type { KindTypes } from './kind-types.ts'
import { definitionOf, resourceRef } from './query-fields.ts'
import { jsonScalar, stringMapScalar, timeScalar } from './scalars.ts'
import type { Fields } from './type-builder.ts'

const text = new GraphQLNonNull(GraphQLString)

const eventType = new GraphQLEnumType({
  name: 'EventType',
  values: {
    ADDED: { description: 'The object came to be, or came into the selection; or it is part of the initial state.' },
    MODIFIED: {},
    DELETED: { description: 'The object is gone, or left the selection (then `left` is true).' },
    BOOKMARK: { description: 'No object: everything up to this resourceVersion has been sent.' },
    INITIAL_END: { description: 'No object: the initial state is complete.' },
  },
})

const startArguments = {
  labelSelector: { type: GraphQLString },
  fieldSelector: { type: GraphQLString },
  resourceVersion: {
    type: GraphQLString,
    description:
      'Go on after this revision, without an initial state; the error EXPIRED when its history is no longer kept.',
  },
  initial: {
    type: GraphQLBoolean,
    defaultValue: true,
    description: 'Begin with the present state: ADDED for every object, then INITIAL_END.',
  },
}

interface EventArguments {
  readonly namespace?: string | null
  readonly namespaces?: readonly string[] | null
  readonly labelSelector?: string | null
  readonly fieldSelector?: string | null
  readonly resourceVersion?: string | null
  readonly initial?: boolean | null
}

function batchType(name: string, event: GraphQLObjectType): GraphQLObjectType {
  return new GraphQLObjectType({
    name: `${name}Batch`,
    description: 'What changed together.',
    fields: {
      resourceVersion: { type: text, description: 'A later subscription can go on from here.' },
      events: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(event))) },
    },
  })
}

function eventOf(name: string, object: GraphQLOutputType): GraphQLObjectType {
  return new GraphQLObjectType({
    name,
    fields: () => ({
      type: { type: new GraphQLNonNull(eventType) },
      resourceVersion: { type: text },
      object: {
        type: object as GraphQLObjectType,
        description: 'The state after the change; for DELETED the last one.',
      },
      left: {
        type: new GraphQLNonNull(GraphQLBoolean),
        description: 'The object exists still, but no longer matches.',
      },
    }),
  })
}

/** The subscription of one kind. */
export function kindEvents(types: KindTypes, definition: ResourceDefinition): Fields {
  const names = types.names.rootOf(definition)
  const name = `${definition.kind}Event${names.type.slice(definition.kind.length)}`
  const namespaced = definition.scope === 'Namespaced'
  return {
    [names.events]: {
      type: new GraphQLNonNull(batchType(name, eventOf(name, types.object(definition)))),
      description: `Every change of ${definition.kind} objects, in the order of commits.`,
      args: {
        ...(namespaced ? { namespace: { type: GraphQLString, description: 'All namespaces without it.' } } : {}),
        ...startArguments,
      },
      resolve: (batch: LiveBatch) => batch,
      subscribe: (_source, args: EventArguments, context) =>
        liveSource(context, definition, args, objectShape(definition)),
    },
  }
}

/** Subscriptions by resource, for clients that learn of kinds while they run. */
export function genericEvents(types: KindTypes): Fields {
  return {
    objectEvents: {
      type: new GraphQLNonNull(batchType('ObjectEvent', eventOf('ObjectEvent', types.anyObject))),
      description: 'Every change of the objects of any resource.',
      args: {
        resource: { type: new GraphQLNonNull(resourceRef) },
        namespace: { type: GraphQLString },
        ...startArguments,
      },
      resolve: (batch: LiveBatch) => batch,
      subscribe: (_source, { resource, ...args }, context) => {
        const definition = generic(types, resource)
        return liveSource(context, definition, args, objectShape(definition))
      },
    },
    tableRows: {
      type: new GraphQLNonNull(batchType('TableRow', tableRowType())),
      description: 'A live table of one resource, with the columns of `kubectl get`.',
      args: {
        resource: { type: new GraphQLNonNull(resourceRef) },
        namespaces: { type: new GraphQLList(text), description: 'All namespaces without it.' },
        ...startArguments,
      },
      resolve: (batch: LiveBatch) => batch,
      subscribe: (_source, { resource, ...args }, context) => {
        const definition = generic(types, resource)
        return liveSource(context, definition, args, rowShape(definition))
      },
    },
  }
}

function generic(types: KindTypes, resource: Parameters<typeof definitionOf>[1]): ResourceDefinition {
  try {
    return definitionOf(types, resource)
  } catch (error) {
    throw toGraphqlError(error)
  }
}

function liveSource(
  context: GraphqlContext,
  definition: ResourceDefinition,
  args: EventArguments,
  shape: EventShape,
): LiveSource {
  const selection = {
    definition,
    namespaces: args.namespace ? [args.namespace] : (args.namespaces ?? []),
    labelSelector: args.labelSelector ?? undefined,
    fieldSelector: args.fieldSelector ?? undefined,
  }
  try {
    return new LiveSource(context, selection, shape, {
      since: args.resourceVersion || undefined,
      wantsInitial: args.initial !== false,
    })
  } catch (error) {
    throw toGraphqlError(error)
  }
}

function objectShape(definition: ResourceDefinition): EventShape {
  return {
    event: (type, object, revision, left) => ({
      type,
      resourceVersion: String(revision),
      object: sourceOf(definition, object),
      left,
    }),
    marker: (type, revision) => ({ type, resourceVersion: String(revision), object: null, left: false }),
  }
}

function tableRowType(): GraphQLObjectType {
  return new GraphQLObjectType({
    name: 'TableRow',
    description: 'One row as it is now. BOOKMARK and INITIAL_END have none of the values.',
    fields: {
      type: { type: new GraphQLNonNull(eventType) },
      uid: { type: GraphQLID },
      namespace: { type: GraphQLString },
      name: { type: GraphQLString },
      resourceVersion: { type: text },
      creationTimestamp: { type: timeScalar },
      labels: { type: stringMapScalar },
      cells: {
        type: new GraphQLList(jsonScalar),
        description: "Texts, numbers and booleans, in the order of the resource's columns.",
      },
    },
  })
}

function rowShape(definition: ResourceDefinition): EventShape {
  return {
    event: (type, object: StoredObject, revision) => ({
      type,
      uid: object.uid,
      namespace: object.key.namespace,
      name: object.key.name,
      resourceVersion: String(revision),
      creationTimestamp: sourceOf(definition, object).metadata.creationTimestamp,
      labels: object.labels,
      cells: () => tableCells(definition, object, Date.now()),
    }),
    marker: (type, revision) => ({ type, resourceVersion: String(revision) }),
  }
}
