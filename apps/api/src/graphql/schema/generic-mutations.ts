import { badRequest, type KubernetesObject } from '@binnacle/apimachinery'
import type { WriteAnswer } from '@binnacle/apiserver'
import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import { GraphQLNonNull, GraphQLObjectType, GraphQLString } from 'graphql'
import { sourceOf } from './connection.ts'
import type { KindTypes } from './kind-types.ts'
import { deleteRequestOf, optionsOf, patchOf, type WriteArguments } from './mutation-fields.ts'
import { type Answer, payloadFields, writing } from './payload.ts'
import { definitionOf, type ResourceRef, resourceRef } from './query-fields.ts'
import { jsonScalar } from './scalars.ts'
import type { Fields } from './type-builder.ts'
import { deleteOptions, patchInput, writeOptions } from './write-arguments.ts'

const text = new GraphQLNonNull(GraphQLString)

type GenericArguments = Omit<WriteArguments, 'input'> & {
  readonly resource: ResourceRef
  readonly input: unknown
  readonly subresource?: string | null
}

const resource = { type: new GraphQLNonNull(resourceRef) }
const namespace = { type: GraphQLString }
const subresource = { type: GraphQLString, description: '`status`, or nothing for the object itself.' }
const input = { type: new GraphQLNonNull(jsonScalar), description: 'The object, as the REST API takes it.' }

/** Writes by resource, for kinds that have no fields of their own, and for clients that learn of kinds while they run. */
export function genericMutations(types: KindTypes): Fields {
  const payload = new GraphQLNonNull(
    new GraphQLObjectType({
      name: 'ObjectPayload',
      fields: () => ({
        object: { type: types.anyObject, description: 'The object after the write.' },
        ...payloadFields,
      }),
    }),
  )
  return {
    createObject: {
      type: payload,
      description: 'Creates an object of any resource.',
      args: { resource, namespace, input, opts: { type: writeOptions } },
      resolve: writing(async (args: GenericArguments, { server }, request) => {
        const definition = definitionOf(types, args.resource)
        const body = bodyOf(definition, args)
        const key = keyOf(definition, args, body)
        return answerOf(definition, await server.create(request, definition, key.namespace, body, optionsOf(args)))
      }),
    },
    updateObject: updateField(types, payload),
    patchObject: patchField(types, payload),
    deleteObject: {
      type: payload,
      description: 'Deletes an object of any resource; the answer holds its last state, or the one in which it waits.',
      args: { resource, namespace, name: { type: text }, opts: { type: deleteOptions } },
      resolve: writing(async (args, { server }, request) => {
        const definition = definitionOf(types, args.resource)
        const { object } = await server.delete(request, definition, keyOf(definition, args), deleteRequestOf(args.opts))
        return answerOf(definition, { object })
      }),
    },
  }
}

type Payload = GraphQLNonNull<GraphQLObjectType>

function updateField(types: KindTypes, payload: Payload): Fields[string] {
  return {
    type: payload,
    description:
      'Replaces an object of any resource; metadata.resourceVersion, when set, must still be the current one.',
    args: { resource, namespace, subresource, input, opts: { type: writeOptions } },
    resolve: writing(async (args: GenericArguments, { server }, request) => {
      const definition = definitionOf(types, args.resource)
      const body = bodyOf(definition, args)
      const key = keyOf(definition, args, body)
      if (!key.name) throw badRequest('input.metadata.name is needed: it says which object is meant')
      const options = { ...optionsOf(args), subresource: args.subresource ?? undefined }
      return answerOf(definition, await server.update(request, definition, key, body, options))
    }),
  }
}

function patchField(types: KindTypes, payload: Payload): Fields[string] {
  return {
    type: payload,
    description: 'Changes parts of an object of any resource.',
    args: {
      resource,
      namespace,
      name: { type: text },
      subresource,
      patch: { type: new GraphQLNonNull(patchInput) },
      opts: { type: writeOptions },
    },
    resolve: writing(async (args: GenericArguments, { server }, request) => {
      const definition = definitionOf(types, args.resource)
      const key = keyOf(definition, args)
      const options = { ...optionsOf(args), subresource: args.subresource ?? undefined }
      return answerOf(definition, await server.patch(request, definition, key, patchOf(args), options))
    }),
  }
}

function answerOf(definition: ResourceDefinition, { object }: Pick<WriteAnswer, 'object'>): Answer {
  return { object: sourceOf(definition, object), resourceVersion: String(object.revision) }
}

function bodyOf(definition: ResourceDefinition, { input, opts }: GenericArguments): KubernetesObject {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw badRequest('input must be an object')
  const given = input as Partial<KubernetesObject>
  const { resourceVersion, uid } = opts?.expect ?? {}
  return {
    ...given,
    apiVersion: given.apiVersion ?? apiVersionOf(definition),
    kind: given.kind ?? definition.kind,
    metadata: {
      ...(given.metadata as KubernetesObject['metadata']),
      ...(resourceVersion ? { resourceVersion } : {}),
      ...(uid ? { uid } : {}),
    },
  }
}

function keyOf(definition: ResourceDefinition, args: GenericArguments, body?: KubernetesObject) {
  const name = body?.metadata.name ?? args.name
  if (definition.scope === 'Cluster') return { namespace: '', name }
  const namespace = args.namespace ?? body?.metadata.namespace
  if (!namespace) throw badRequest(`${definition.plural} have a namespace: say which`)
  return { namespace, name }
}
