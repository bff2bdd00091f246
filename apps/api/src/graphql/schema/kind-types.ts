import type { ResourceDefinition, ResourceRegistry } from '@binnacle/resources'
import { GraphQLID, GraphQLInterfaceType, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLString } from 'graphql'
import { connectionType, edgeArguments } from './connection.ts'
import type { ObjectSource } from '../context.ts'
import { commonEdges, edgeFields, servedKindOf, typeNameOf } from './edges.ts'
import { GraphqlNames } from './names.ts'
import { jsonScalar } from './scalars.ts'
import { identityFields, TypeBuilder } from './type-builder.ts'

// Names of types that are ours; a kind or schema that has one of them carries its group and version.
const ownTypes = [
  ...[
    'Query',
    'Mutation',
    'Subscription',
    'KubernetesObject',
    'CustomObject',
    'PageInfo',
    'Resource',
    'ResourceColumn',
    'ResourceRef',
  ],
  ...[
    'Object',
    'TableRow',
    'StatusError',
    'StatusCause',
    'Patch',
    'DeleteMany',
    'WriteOptions',
    'DeleteOptions',
    'Expect',
    'Scale',
  ],
  ...['EventType', 'FieldValidation', 'PropagationPolicy', 'StringMap', 'JSON', 'Time', 'Base64', 'Int64', 'Quantity'],
  ...['IntOrString', 'String', 'Int', 'Float', 'Boolean', 'ID'],
]

/** The types of all kinds, their connections, and the interface that they share. */
export class KindTypes {
  readonly registry: ResourceRegistry
  readonly names: GraphqlNames
  readonly builder: TypeBuilder
  /** `KubernetesObject`: what an object of any kind has. */
  readonly anyObject: GraphQLInterfaceType
  /** `CustomObject`: an object of a kind that a CustomResourceDefinition makes. */
  readonly customObject: GraphQLObjectType
  /** `ObjectConnection`. */
  readonly anyConnection: GraphQLObjectType
  readonly #connections = new Map<string, GraphQLObjectType>()

  constructor(registry: ResourceRegistry) {
    this.registry = registry
    this.names = new GraphqlNames(registry, ownTypes)
    this.builder = new TypeBuilder(registry, this.names)
    this.anyObject = this.#interface()
    this.customObject = this.#customType()
    this.anyConnection = connectionType('Object', this.anyObject)
    this.builder.extras = {
      interfaces: () => [this.anyObject],
      fieldsOf: (definition) => edgeFields(this, definition),
    }
  }

  /** Those of Kubernetes' own, which have types and fields of their own. */
  get typed(): readonly ResourceDefinition[] {
    return this.stored.filter(({ custom }) => custom === undefined)
  }

  /** Resources whose objects are stored. */
  get stored(): readonly ResourceDefinition[] {
    return this.registry.served.filter((definition) => definition.virtual !== true)
  }

  /** The type of a kind. */
  object(definition: ResourceDefinition): GraphQLObjectType {
    return this.builder.kind(definition)
  }

  /** The connection of a kind. */
  connection(definition: ResourceDefinition): GraphQLObjectType {
    const type = this.object(definition)
    let connection = this.#connections.get(type.name)
    if (connection === undefined) {
      connection = connectionType(type.name, type)
      this.#connections.set(type.name, connection)
    }
    return connection
  }

  // Custom kinds come and go while the schema stays, so that they share a type, and their own fields are JSON.
  #customType(): GraphQLObjectType {
    const definitionOf = (source: ObjectSource): ResourceDefinition => servedKindOf(this, source)
    return new GraphQLObjectType({
      name: 'CustomObject',
      description: 'An object of a kind that a CustomResourceDefinition makes. Its own fields are in `_json`.',
      interfaces: () => [this.anyObject],
      fields: () => ({
        ...identityFields(definitionOf),
        apiVersion: { type: new GraphQLNonNull(GraphQLString) },
        kind: { type: new GraphQLNonNull(GraphQLString) },
        metadata: { type: this.anyObject.getFields()['metadata']?.type as never },
        ...commonEdges(this),
      }),
    })
  }

  #interface(): GraphQLInterfaceType {
    const any: GraphQLInterfaceType = new GraphQLInterfaceType({
      name: 'KubernetesObject',
      description: 'An object of any kind.',
      resolveType: (source) => typeNameOf(this, source),
      fields: () => {
        const list = new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(any)))
        const events = this.registry.byResource('', 'v1', 'events') as ResourceDefinition
        const pods = this.registry.byResource('', 'v1', 'pods') as ResourceDefinition
        return {
          id: { type: new GraphQLNonNull(GraphQLID) },
          apiVersion: { type: new GraphQLNonNull(GraphQLString) },
          kind: { type: new GraphQLNonNull(GraphQLString) },
          metadata: { type: this.object(pods).getFields()['metadata']?.type as never },
          _json: { type: new GraphQLNonNull(jsonScalar) },
          owner: { type: any },
          owners: { type: list },
          children: {
            type: list,
            args: { kinds: { type: new GraphQLList(new GraphQLNonNull(GraphQLString)) }, first: edgeArguments.first },
          },
          events: { type: new GraphQLNonNull(this.connection(events)), args: edgeArguments },
        }
      },
    })
    return any
  }
}
