import type { ResourceRegistry } from '@binnacle/resources'
import { GraphQLObjectType, GraphQLSchema } from 'graphql'
import { genericEvents, kindEvents } from './event-fields.ts'
import { genericMutations } from './generic-mutations.ts'
import { KindTypes } from './kind-types.ts'
import { kindMutations, virtualMutations } from './mutation-fields.ts'
import { podMutations } from './pod-mutations.ts'
import { genericQueries, kindQueries } from './query-fields.ts'
import type { Fields } from './type-builder.ts'

/** Builds the GraphQL schema of everything that a registry serves. */
export function buildGraphqlSchema(registry: ResourceRegistry): GraphQLSchema {
  const types = new KindTypes(registry)
  const virtual = registry.served.filter((definition) => definition.virtual === true)
  const query = merge([genericQueries(types), ...types.typed.map((definition) => kindQueries(types, definition))])
  const mutation = merge([
    ...types.typed.map((definition) => kindMutations(types, definition)),
    ...virtual.map((definition) => virtualMutations(types, definition)),
    podMutations(types),
    genericMutations(types),
  ])
  const subscription = merge([
    genericEvents(types),
    ...types.typed.filter(({ verbs }) => verbs.includes('watch')).map((definition) => kindEvents(types, definition)),
  ])
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: query }),
    mutation: new GraphQLObjectType({ name: 'Mutation', fields: mutation }),
    subscription: new GraphQLObjectType({ name: 'Subscription', fields: subscription }),
    types: [...types.typed.map((definition) => types.object(definition)), types.customObject],
  })
}

// Two fields of one name would hide each other.
function merge(parts: readonly Fields[]): Fields {
  const merged: Fields = {}
  for (const part of parts) {
    for (const name in part) {
      if (name in merged) throw new Error(`two root fields would be named ${name}`)
      merged[name] = part[name] as Fields[string]
    }
  }
  return merged
}
