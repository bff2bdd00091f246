import { builtInRegistry, type ResourceDefinition } from '@binnacle/resources'
import {
  assertValidSchema,
  getNamedType,
  type GraphQLFieldMap,
  isInputObjectType,
  isNonNullType,
  isObjectType,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { buildGraphqlSchema } from './build-schema.ts'
import { KindTypes } from './kind-types.ts'
import { fieldName } from './names.ts'

/** The schema against the registry: nothing that the API serves may be missing. */

const registry = builtInRegistry({ 'api/all': true })
const schema = buildGraphqlSchema(registry)
const types = new KindTypes(registry)
const stored = registry.served.filter((definition) => definition.virtual !== true)
const fieldsOf = (root: 'Query' | 'Mutation' | 'Subscription'): GraphQLFieldMap<any, any> =>
  schema.getType(root) === undefined ? {} : (schema.getType(root) as any).getFields()
const [queries, mutations, subscriptions] = [fieldsOf('Query'), fieldsOf('Mutation'), fieldsOf('Subscription')]

const every = (check: (definition: ResourceDefinition) => readonly (string | false | undefined)[]): string[] =>
  stored.flatMap((definition) => check(definition).filter((name): name is string => typeof name === 'string'))

describe('the schema', () => {
  it('is valid, with everything served and with what is served by default', () => {
    assertValidSchema(schema)
    assertValidSchema(buildGraphqlSchema(builtInRegistry()))
  })

  it('has get, list and events of every stored kind', () => {
    const missing = every((definition) => {
      const { one, many, events } = types.names.rootOf(definition)
      return [
        !(one in queries) && one,
        !(many in queries) && many,
        definition.verbs.includes('watch') && !(events in subscriptions) && events,
      ]
    })
    expect(missing).toEqual([])
  })

  it('has every verb of every kind as a mutation, and no other', () => {
    const expected = every((definition) => {
      const { type, plural } = types.names.rootOf(definition)
      const { verbs, subresources } = definition
      const status = subresources.status === true
      return [
        verbs.includes('create') && `create${type}`,
        verbs.includes('update') && `update${type}`,
        verbs.includes('update') && status && `update${type}Status`,
        verbs.includes('patch') && `patch${type}`,
        verbs.includes('patch') && status && `patch${type}Status`,
        verbs.includes('delete') && `delete${type}`,
        verbs.includes('deletecollection') && `delete${plural}`,
        subresources.scale !== undefined && `scale${type}`,
      ]
    })
    const asked = registry.served
      .filter((definition) => definition.virtual === true)
      .map((definition) => `create${types.names.rootOf(definition).type}`)
    const generic = ['createObject', 'updateObject', 'patchObject', 'deleteObject']
    expect(Object.keys(mutations).toSorted()).toEqual(
      [...expected, ...asked, ...generic, 'bindPod', 'evictPod'].toSorted(),
    )
  })

  it('asks for a namespace where a kind has one, and nowhere else', () => {
    const wrong = every((definition) => {
      const { type, one, many, events } = types.names.rootOf(definition)
      const namespaced = definition.scope === 'Namespaced'
      const fields = [queries[one], queries[many], subscriptions[events], mutations[`patch${type}`]]
      return fields.map(
        (field) =>
          field !== undefined && field.args.some(({ name }) => name === 'namespace') !== namespaced && field.name,
      )
    })
    expect(wrong).toEqual([])
  })

  it('gives every kind the whole of its schema, for reading and for writing', () => {
    const missing = every((definition) => {
      const { type } = types.names.rootOf(definition)
      const output = schema.getType(type)
      const input = schema.getType(`${type}Input`)
      return definition.schema.fields.flatMap((field) => {
        const name = fieldName(field.name)
        return [
          !(isObjectType(output) && name in output.getFields()) && `${type}.${name}`,
          definition.verbs.includes('create') &&
            !(isInputObjectType(input) && name in input.getFields()) &&
            `${type}Input.${name}`,
        ]
      })
    })
    expect(missing).toEqual([])
  })

  it('never hides a field of a kind behind an edge', () => {
    const own = ['id', '_json', 'owner', 'owners', 'children', 'events']
    const hidden = every((definition) =>
      [...Object.keys(definition.edges), ...own].map(
        (name) => definition.schema.byName.has(name) && `${definition.kind}.${name}`,
      ),
    )
    expect(hidden).toEqual([])
  })

  it('leads from every declared edge to the kind that it names', () => {
    const wrong = every((definition) => {
      const type = types.names.rootOf(definition).type
      const fields = (schema.getType(type) as any).getFields() as GraphQLFieldMap<any, any>
      return Object.entries(definition.edges).map(([name, edge]) => {
        const target = types.names.rootOf(edge.to()).type
        const found = String(getNamedType(fields[name]?.type))
        return found !== target && found !== `${target}Connection` && `${type}.${name}: ${found}`
      })
    })
    expect(wrong).toEqual([])
  })

  it('lets what is stored be incomplete: no field of a spec or status is non-null', () => {
    const podSpec = schema.getType('PodSpec') as any
    for (const field of Object.values(podSpec.getFields() as GraphQLFieldMap<any, any>))
      expect([field.name, isNonNullType(field.type)]).toEqual([field.name, false])
    const pod = (schema.getType('Pod') as any).getFields() as GraphQLFieldMap<any, any>
    const nonNull = Object.values(pod).filter(({ type }) => isNonNullType(type))
    expect(nonNull.map(({ name }) => name)).toEqual(expect.arrayContaining(['id', 'apiVersion', 'kind', 'metadata']))
    expect(pod['spec'] !== undefined && isNonNullType(pod['spec'].type)).toBe(false)
  })

  it('describes every root field', () => {
    const all = [...Object.values(queries), ...Object.values(mutations), ...Object.values(subscriptions)]
    expect(all.filter(({ description }) => !description).map(({ name }) => name)).toEqual([])
  })
})
