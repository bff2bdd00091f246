import { badRequest, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import type { DeleteRequest, FieldValidation, WriteRequestOptions } from '@binnacle/apiserver'
import type { Patch } from '@binnacle/client'
import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLString } from 'graphql'
import { sourceOf } from './connection.ts'
import type { KindTypes } from './kind-types.ts'
import { type Answer, payloadFields, writing } from './payload.ts'
import type { Fields } from './type-builder.ts'
import { deleteOptions, patchInput, writeOptions } from './write-arguments.ts'

const text = new GraphQLNonNull(GraphQLString)
const int = new GraphQLNonNull(GraphQLInt)

/** The arguments of a mutation, as far as it has them. */
export interface WriteArguments {
  readonly namespace?: string | null
  readonly name: string
  readonly input?: { metadata?: { name?: string; namespace?: string } }
  readonly patch?: { json?: unknown; merge?: unknown; strategic?: unknown }
  readonly replicas?: number
  readonly opts?: {
    readonly dryRun?: boolean | null
    readonly fieldManager?: string | null
    readonly fieldValidation?: FieldValidation | null
    readonly expect?: { resourceVersion?: string | null; uid?: string | null } | null
  } | null
}

/** The mutations of one kind: create, update, patch, delete, delete many, and its subresources. */
export function kindMutations(types: KindTypes, definition: ResourceDefinition): Fields {
  const { type, plural } = types.names.rootOf(definition)
  const payload = payloadType(types, definition)
  const can = (verb: string): boolean => definition.verbs.includes(verb as never)
  const status = definition.subresources.status === true
  return {
    ...(can('create') ? { [`create${type}`]: createField(types, definition, payload) } : {}),
    ...(can('update') ? { [`update${type}`]: updateField(types, definition, payload) } : {}),
    ...(status && can('update') ? { [`update${type}Status`]: updateField(types, definition, payload, 'status') } : {}),
    ...(can('patch') ? { [`patch${type}`]: patchField(definition, payload) } : {}),
    ...(status && can('patch') ? { [`patch${type}Status`]: patchField(definition, payload, 'status') } : {}),
    ...(can('delete') ? { [`delete${type}`]: deleteField(definition, payload) } : {}),
    ...(can('deletecollection') ? { [`delete${plural}`]: deleteManyField(definition) } : {}),
    ...(definition.subresources.scale === undefined ? {} : { [`scale${type}`]: scaleField(definition, payload) }),
  }
}

function payloadType(types: KindTypes, definition: ResourceDefinition): GraphQLObjectType {
  const type = types.object(definition)
  return new GraphQLObjectType({
    name: `${type.name}Payload`,
    fields: () => ({ object: { type, description: 'The object after the write.' }, ...payloadFields }),
  })
}

const namespaceArgument = (definition: ResourceDefinition, required: boolean): Record<string, any> =>
  definition.scope === 'Cluster' ? {} : { namespace: { type: required ? text : GraphQLString } }

function createField(types: KindTypes, definition: ResourceDefinition, payload: GraphQLObjectType): Fields[string] {
  return {
    type: new GraphQLNonNull(payload),
    description: `Creates a ${definition.kind}.`,
    args: {
      ...namespaceArgument(definition, false),
      input: { type: new GraphQLNonNull(types.builder.input(definition.schema.name)) },
      opts: { type: writeOptions },
    },
    resolve: writing(async (args: WriteArguments, { server }, request) => {
      const body = bodyOf(types, definition, args)
      const { object } = await server.create(request, definition, namespaceOf(definition, args), body, optionsOf(args))
      return { object: sourceOf(definition, object), resourceVersion: String(object.revision) }
    }),
  }
}

function updateField(
  types: KindTypes,
  definition: ResourceDefinition,
  payload: GraphQLObjectType,
  subresource?: 'status',
): Fields[string] {
  return {
    type: new GraphQLNonNull(payload),
    description:
      subresource === undefined
        ? `Replaces a ${definition.kind}; metadata.resourceVersion, when set, must still be the current one.`
        : `Replaces the status of a ${definition.kind}.`,
    args: {
      ...namespaceArgument(definition, false),
      input: { type: new GraphQLNonNull(types.builder.input(definition.schema.name)) },
      opts: { type: writeOptions },
    },
    resolve: writing(async (args: WriteArguments, { server }, request) => {
      const body = bodyOf(types, definition, args)
      const { name } = body.metadata
      if (!name) throw badRequest('input.metadata.name is needed: it says which object is meant')
      const key = { namespace: namespaceOf(definition, args), name }
      const { object } = await server.update(request, definition, key, body, { ...optionsOf(args), subresource })
      return { object: sourceOf(definition, object), resourceVersion: String(object.revision) }
    }),
  }
}

function patchField(
  definition: ResourceDefinition,
  payload: GraphQLObjectType,
  subresource?: 'status',
): Fields[string] {
  return {
    type: new GraphQLNonNull(payload),
    description: `Changes parts of a ${definition.kind}${subresource === undefined ? '' : "'s status"}.`,
    args: {
      ...namespaceArgument(definition, true),
      name: { type: text },
      patch: { type: new GraphQLNonNull(patchInput) },
      opts: { type: writeOptions },
    },
    resolve: writing(async (args: WriteArguments, { server }, request) => {
      const key = { namespace: args.namespace ?? '', name: args.name }
      const options = { ...optionsOf(args), subresource }
      const { object } = await server.patch(request, definition, key, patchOf(args), options)
      return { object: sourceOf(definition, object), resourceVersion: String(object.revision) }
    }),
  }
}

function deleteField(definition: ResourceDefinition, payload: GraphQLObjectType): Fields[string] {
  return {
    type: new GraphQLNonNull(payload),
    description: `Deletes a ${definition.kind}; the answer holds its last state, or the one in which it waits for finalizers and its grace period.`,
    args: { ...namespaceArgument(definition, true), name: { type: text }, opts: { type: deleteOptions } },
    resolve: writing(async (args, { server }, request) => {
      const key: ObjectKey = { namespace: args.namespace ?? '', name: args.name }
      const { object } = await server.delete(request, definition, key, deleteRequestOf(args.opts))
      return { object: sourceOf(definition, object), resourceVersion: String(object.revision) }
    }),
  }
}

const deleteManyPayload = new GraphQLObjectType({
  name: 'DeleteManyPayload',
  fields: { count: { type: int, description: 'How many objects were deleted, or began to be.' }, ...payloadFields },
})

function deleteManyField(definition: ResourceDefinition): Fields[string] {
  return {
    type: new GraphQLNonNull(deleteManyPayload),
    description: `Deletes every ${definition.kind} that the selectors choose.`,
    args: {
      ...namespaceArgument(definition, true),
      labelSelector: { type: GraphQLString },
      fieldSelector: { type: GraphQLString },
      opts: { type: deleteOptions },
    },
    resolve: writing(
      async (args, { server }, request): Promise<Answer> => {
        const select = {
          namespace: args.namespace ?? undefined,
          labelSelector: args.labelSelector ?? undefined,
          fieldSelector: args.fieldSelector ?? undefined,
        }
        const answer = await server.deleteCollection(request, definition, select, deleteRequestOf(args.opts))
        return { count: answer.objects.length, resourceVersion: String(server.store.cachedRevision) }
      },
      { count: 0 },
    ),
  }
}

function scaleField(definition: ResourceDefinition, payload: GraphQLObjectType): Fields[string] {
  return {
    type: new GraphQLNonNull(payload),
    description: `Sets the number of replicas of a ${definition.kind}, through its scale subresource.`,
    args: {
      ...namespaceArgument(definition, true),
      name: { type: text },
      replicas: { type: int },
      opts: { type: writeOptions },
    },
    resolve: writing(async (args: WriteArguments, context, request) => {
      const { server } = context
      const key = { namespace: args.namespace ?? '', name: args.name }
      const patch = withExpectation({ type: 'merge', body: { spec: { replicas: args.replicas } } }, args)
      const scale = await server.patchScale(request, definition, key, patch, optionsOf(args))
      const object = server.getNow(request, definition, key)
      return {
        object: object === undefined ? null : sourceOf(definition, object),
        resourceVersion: scale.metadata.resourceVersion ?? null,
      }
    }),
  }
}

/** The mutation of a kind that is asked, not stored (TokenReview, SubjectAccessReview …), and of Binding. */
export function virtualMutations(types: KindTypes, definition: ResourceDefinition): Fields {
  const type = types.object(definition)
  const payload = new GraphQLObjectType({
    name: `${type.name}Payload`,
    fields: () => ({ object: { type, description: 'The question with its answer in it.' }, ...payloadFields }),
  })
  return {
    [`create${type.name}`]: {
      type: new GraphQLNonNull(payload),
      description: `Sends a ${definition.kind}; it is not stored.`,
      args: {
        ...namespaceArgument(definition, true),
        input: { type: new GraphQLNonNull(types.builder.input(definition.schema.name)) },
        opts: { type: writeOptions },
      },
      resolve: writing(async (args: WriteArguments, { server }, request) => {
        const body = bodyOf(types, definition, args)
        const answer = await server.createVirtual(request, definition, args.namespace ?? '', body, optionsOf(args))
        return { object: answer.kind === definition.kind ? answer : null, resourceVersion: null }
      }),
    },
  }
}

function bodyOf(types: KindTypes, definition: ResourceDefinition, args: WriteArguments): KubernetesObject {
  const wire = types.builder.toWire(definition.schema.name, args.input) as unknown as KubernetesObject
  const { resourceVersion, uid } = args.opts?.expect ?? {}
  return {
    ...wire,
    apiVersion: wire.apiVersion ?? apiVersionOf(definition),
    kind: wire.kind ?? definition.kind,
    metadata: {
      ...wire.metadata,
      ...(resourceVersion ? { resourceVersion } : {}),
      ...(uid ? { uid } : {}),
    },
  }
}

function namespaceOf(definition: ResourceDefinition, { namespace, input }: WriteArguments): string {
  if (definition.scope === 'Cluster') return ''
  const given = namespace ?? input?.metadata?.namespace
  if (!given)
    throw badRequest(`a ${definition.kind} has a namespace: give the argument namespace, or input.metadata.namespace`)
  return given
}

/** The options of a write as the request path takes them. */
export function optionsOf({ opts }: Pick<WriteArguments, 'opts'>): WriteRequestOptions {
  return {
    dryRun: opts?.dryRun === true,
    ...(opts?.fieldManager ? { fieldManager: opts.fieldManager } : {}),
    ...(opts?.fieldValidation ? { fieldValidation: opts.fieldValidation } : {}),
  }
}

/** The patch that a mutation asks for. @throws StatusError BadRequest */
export function patchOf(args: Pick<WriteArguments, 'patch' | 'opts'>): Patch {
  const { json, merge, strategic } = args.patch ?? {}
  if (json !== undefined) {
    if (!Array.isArray(json)) throw badRequest('patch.json must be a list of operations (RFC 6902)')
    return withExpectation({ type: 'json', operations: json }, args)
  }
  return withExpectation(
    { type: merge === undefined ? 'strategic' : 'merge', body: (merge ?? strategic) as Record<string, unknown> },
    args,
  )
}

// A patch that carries a resourceVersion or uid is meant for that state only: another one is a Conflict.
function withExpectation(patch: Patch, { opts }: Pick<WriteArguments, 'opts'>): Patch {
  const { resourceVersion, uid } = opts?.expect ?? {}
  const expected = { ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) }
  if (Object.keys(expected).length === 0) return patch
  if (patch.type === 'json') {
    const operations = Object.entries(expected).map(([name, value]) => ({
      op: 'add',
      path: `/metadata/${name}`,
      value,
    }))
    return { type: 'json', operations: [...patch.operations, ...operations] }
  }
  const metadata = { ...(patch.body['metadata'] as object | undefined), ...expected }
  return { type: patch.type, body: { ...patch.body, metadata } }
}

/** The options of a delete as the request path takes them. */
export function deleteRequestOf(
  opts:
    | {
        dryRun?: boolean | null
        gracePeriodSeconds?: number | null
        propagationPolicy?: DeleteRequest['propagationPolicy'] | null
        expect?: { resourceVersion?: string | null; uid?: string | null } | null
      }
    | null
    | undefined,
): DeleteRequest {
  const { resourceVersion, uid } = opts?.expect ?? {}
  return {
    dryRun: opts?.dryRun === true,
    gracePeriodSeconds: opts?.gracePeriodSeconds ?? undefined,
    propagationPolicy: opts?.propagationPolicy ?? undefined,
    preconditions:
      resourceVersion || uid ? { ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) } : undefined,
  }
}
