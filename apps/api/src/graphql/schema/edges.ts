import {
  controllerOf,
  type ObjectSchema,
  type OwnerReference,
  type Selector,
  selectorFromLabelSelector,
  type TypeRef,
} from '@binnacle/apimachinery'
import { authorize, selectionOf, valuesAt } from '@binnacle/apiserver'
import type { Edge, ResourceDefinition } from '@binnacle/resources'
import { compareKeys, type StoredObject } from '@binnacle/store'
import { GraphQLList, GraphQLNonNull, GraphQLString } from 'graphql'
import type { GraphqlContext, ObjectSource } from '../context.ts'
import { toGraphqlError } from '../errors.ts'
import { edgeArguments, type ListArguments, pageOf, pageSize, sourceOf } from './connection.ts'
import type { KindTypes } from './kind-types.ts'
import type { Fields } from './type-builder.ts'

/**
 * The fields that lead from an object to others: those that its kind declares, and those that every object has. All are answered from the
 * cache's indexes, synchronously: the whole of a query is of one revision.
 */
export function edgeFields(types: KindTypes, definition: ResourceDefinition): Fields {
  const fields: Fields = { ...commonEdges(types) }
  for (const [name, edge] of Object.entries(definition.edges)) {
    const target = edge.to()
    fields[name] = leadsToMany(types, edge, definition) ? manyField(types, edge, target) : oneField(types, edge, target)
  }
  return fields
}

function oneField(types: KindTypes, edge: Edge, target: ResourceDefinition): Fields[string] {
  return {
    type: types.object(target),
    resolve: guarded((source, _args, context) => {
      authorize(context.request, 'get', target, { namespace: namespaceIn(target, source) })
      const found = follow(edge, target, source, context)[0]
      return found === undefined ? null : sourceOf(target, found)
    }),
  }
}

function manyField(types: KindTypes, edge: Edge, target: ResourceDefinition): Fields[string] {
  return {
    type: new GraphQLNonNull(types.connection(target)),
    args: edgeArguments,
    resolve: guarded((source, args: ListArguments, context) => {
      authorize(context.request, 'list', target, { namespace: namespaceIn(target, source) })
      const found = narrow(target, follow(edge, target, source, context), args)
      return pageOf(
        context,
        target,
        found.toSorted((a, b) => compareKeys(a.key, b.key)),
        args,
      )
    }),
  }
}

function guarded(
  resolve: (source: ObjectSource, args: any, context: GraphqlContext) => unknown,
): (source: ObjectSource, args: any, context: GraphqlContext) => unknown {
  return (source, args, context) => {
    try {
      return resolve(source, args, context)
    } catch (error) {
      throw toGraphqlError(error)
    }
  }
}

const namespaceIn = (target: ResourceDefinition, source: ObjectSource): string =>
  target.scope === 'Namespaced' ? (source['metadata']?.namespace ?? '') : ''

// A path through a list may name several objects.
function leadsToMany(types: KindTypes, edge: Edge, definition: ResourceDefinition): boolean {
  if (edge.by !== 'name') return edge.by !== 'controller'
  let schema: ObjectSchema | undefined = definition.schema
  for (const part of edge.path.split('.')) {
    const type: TypeRef | undefined = schema?.byName.get(part)?.type
    if (type?.kind === 'list') return true
    schema = type?.kind === 'object' ? types.registry.schemas(type.name) : undefined
  }
  return false
}

function narrow(
  target: ResourceDefinition,
  objects: readonly StoredObject[],
  args: ListArguments,
): readonly StoredObject[] {
  if (!args.labelSelector && !args.fieldSelector) return objects
  const selection = selectionOf(target, {
    labelSelector: args.labelSelector ?? undefined,
    fieldSelector: args.fieldSelector ?? undefined,
  })
  return objects.filter((object) => selection.matches(object))
}

/** The objects at the other end of an edge, by the index that serves it. */
function follow(
  edge: Edge,
  target: ResourceDefinition,
  source: ObjectSource,
  context: GraphqlContext,
): readonly StoredObject[] {
  const { store } = context.server
  const resource = target.storageName
  const namespace = namespaceIn(target, source)
  const inNamespace = (): readonly StoredObject[] => store.list({ resource, namespace: namespace || undefined }).objects
  const { metadata } = source
  switch (edge.by) {
    case 'controlledBy':
      return store
        .ownedBy(metadata.uid)
        .filter((object) => object.key.resource === resource && object.ownerUids[0] === metadata.uid)
    case 'controller': {
      const owner = controllerOf(source as never)
      const found = owner === undefined || owner.kind !== target.kind ? undefined : store.byUid(owner.uid)
      return found?.key.resource === resource ? [found] : []
    }
    case 'name': {
      const names = new Set(valuesAt(source, edge.path).map(String))
      return [...names].flatMap((name) => store.get({ resource, namespace, name }) ?? [])
    }
    case 'namedBy': {
      // Pods of a node have an index; a node has no namespace, its pods have all.
      if (edge.path === 'spec.nodeName') return store.byField(resource, edge.path, metadata.name)
      return inNamespace().filter((object) => valuesAt(object.parse(), edge.path).includes(metadata.name))
    }
    case 'selector': {
      const selector = selectorAt(source, edge.path)
      return selector === undefined ? [] : inNamespace().filter((object) => selector.matches(object.labels))
    }
    case 'selectedBy':
      return inNamespace().filter((object) => selectorAt(object.parse(), edge.path)?.matches(metadata.labels ?? {}))
    case 'label':
      return inNamespace().filter((object) => object.labels[edge.label] === metadata.name)
  }
}

// A LabelSelector, or a plain map of which an empty one selects nothing (Service, ReplicationController).
function selectorAt(object: unknown, path: string): Selector | undefined {
  const value = valuesAt(object, path)[0] as Record<string, unknown> | undefined
  if (value === undefined) return undefined
  if ('matchLabels' in value || 'matchExpressions' in value) return selectorFromLabelSelector(value as never)
  return Object.keys(value).length === 0 ? undefined : selectorFromLabelSelector({ matchLabels: value as never })
}

/** The fields to others that every object has. */
export function commonEdges(types: KindTypes): Fields {
  return {
    owner: {
      type: types.anyObject,
      description: 'The controller of this object; null without one, and when it is gone.',
      resolve: guarded((source, _args, context) => {
        const reference = controllerOf(source as never)
        return reference === undefined ? null : (ownerOf(reference, source, context) ?? null)
      }),
    },
    owners: {
      type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(types.anyObject))),
      description: 'Every owner that exists.',
      resolve: guarded((source, _args, context) =>
        ((source['metadata'].ownerReferences ?? []) as OwnerReference[]).flatMap(
          (reference) => ownerOf(reference, source, context) ?? [],
        ),
      ),
    },
    children: {
      type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(types.anyObject))),
      description: 'The objects that name this one as an owner.',
      args: { kinds: { type: new GraphQLList(new GraphQLNonNull(GraphQLString)) }, first: edgeArguments.first },
      resolve: guarded((source, { kinds, first }, context) =>
        childrenOf(source, kinds ?? undefined, context).slice(0, pageSize(first)),
      ),
    },
    events: eventsEdge(types),
  }
}

function ownerOf(
  reference: OwnerReference,
  source: ObjectSource,
  { server, request }: GraphqlContext,
): ObjectSource | undefined {
  const object = server.store.byUid(reference.uid)
  if (object === undefined) return undefined
  const [group, version] = groupVersion(reference.apiVersion)
  const definition =
    server.registry.byKind(group, version, reference.kind) ?? server.registry.byStorageName(object.key.resource)
  if (definition === undefined || definition.storageName !== object.key.resource) return undefined
  authorize(request, 'get', definition, { namespace: source['metadata'].namespace, name: reference.name })
  return sourceOf(definition, object)
}

function groupVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)]
}

function childrenOf(
  source: ObjectSource,
  kinds: readonly string[] | undefined,
  { server, request }: GraphqlContext,
): ObjectSource[] {
  const children: ObjectSource[] = []
  for (const object of server.store.ownedBy(source['metadata'].uid)) {
    const definition = server.registry.byStorageName(object.key.resource)
    if (definition === undefined || (kinds !== undefined && !kinds.includes(definition.kind))) continue
    authorize(request, 'list', definition, { namespace: object.key.namespace })
    children.push(sourceOf(definition, object))
  }
  return children
}

// Events about cluster-scoped objects are in the namespace default, and found by uid all the same.
function eventsEdge(types: KindTypes): Fields[string] {
  const events = types.registry.byResource('', 'v1', 'events') as ResourceDefinition
  return {
    type: new GraphQLNonNull(types.connection(events)),
    description: 'Events about this object.',
    args: edgeArguments,
    resolve: guarded((source, args: ListArguments, context) => {
      authorize(context.request, 'list', events, { namespace: source['metadata'].namespace })
      const found = context.server.store.byField(events.storageName, 'involvedObject.uid', source['metadata'].uid)
      return pageOf(
        context,
        events,
        narrow(events, found, args).toSorted((a, b) => compareKeys(a.key, b.key)),
        args,
      )
    }),
  }
}

/** `apps/v1 Deployment` → its type's name; how interfaces find the type of an object. */
export function typeNameOf(types: KindTypes, source: ObjectSource): string {
  const definition = servedKindOf(types, source)
  return definition.custom === undefined ? types.object(definition).name : types.customObject.name
}

/** The definition of an object's kind. */
export function servedKindOf(types: KindTypes, source: ObjectSource): ResourceDefinition {
  const [group, version] = groupVersion(String(source['apiVersion']))
  const definition = types.registry.byKind(group, version, String(source['kind']))
  if (definition === undefined)
    throw new Error(`${String(source['apiVersion'])} ${String(source['kind'])} is not served`)
  return definition
}
