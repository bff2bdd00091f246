import type { RequestContext } from '@binnacle/apiserver'
import type { ResourceDefinition } from '@binnacle/resources'
import { GraphQLNonNull, GraphQLObjectType, GraphQLString } from 'graphql'
import type { GraphqlContext } from '../context.ts'
import type { KindTypes } from './kind-types.ts'
import { type Answer, payloadFields, writing } from './payload.ts'
import type { Fields } from './type-builder.ts'
import { deleteOptions } from './write-arguments.ts'

const text = new GraphQLNonNull(GraphQLString)

/** What can be done to pods beside the verbs of every kind: evict them, and place them on nodes. */
export function podMutations(types: KindTypes): Fields {
  const pods = types.registry.byResource('', 'v1', 'pods') as ResourceDefinition
  const payload = new GraphQLObjectType({ name: 'SubresourcePayload', fields: payloadFields })
  const post = async (
    { server }: GraphqlContext,
    request: RequestContext,
    args: { namespace: string; name: string },
    subresource: string,
    body: object,
  ): Promise<Answer> => {
    await server.createSubresource(request, pods, args, subresource, body)
    return { resourceVersion: String(server.store.cachedRevision) }
  }
  return {
    evictPod: {
      type: new GraphQLNonNull(payload),
      description: 'Deletes a pod where its disruption budgets allow it.',
      args: { namespace: { type: text }, name: { type: text }, opts: { type: deleteOptions } },
      resolve: writing(async (args, context, request) => {
        const { gracePeriodSeconds, propagationPolicy, expect } = args.opts ?? {}
        const given = { gracePeriodSeconds, propagationPolicy, preconditions: expect }
        const options = Object.fromEntries(
          Object.entries(given).filter(([, value]) => value !== undefined && value !== null),
        )
        return await post(context, request, args, 'eviction', {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name: args.name, namespace: args.namespace },
          deleteOptions: { ...options, ...(args.opts?.dryRun === true ? { dryRun: ['All'] } : {}) },
        })
      }, {}),
    },
    bindPod: {
      type: new GraphQLNonNull(payload),
      description: 'Places a pod that has no node yet, as a scheduler does.',
      args: { namespace: { type: text }, name: { type: text }, node: { type: text } },
      resolve: writing(
        async (args, context, request) =>
          await post(context, request, args, 'binding', {
            apiVersion: 'v1',
            kind: 'Binding',
            metadata: { name: args.name, namespace: args.namespace },
            target: { apiVersion: 'v1', kind: 'Node', name: args.node },
          }),
        {},
      ),
    },
  }
}
