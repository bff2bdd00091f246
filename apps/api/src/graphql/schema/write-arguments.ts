import { GraphQLBoolean, GraphQLEnumType, GraphQLInputObjectType, GraphQLInt, GraphQLString } from 'graphql'
import { jsonScalar } from './scalars.ts'

const fieldValidation = new GraphQLEnumType({
  name: 'FieldValidation',
  description:
    'What happens to fields that the kind does not have. (Inputs of a known type cannot have any; patches can.)',
  values: { Strict: {}, Warn: {}, Ignore: {} },
})

const propagationPolicy = new GraphQLEnumType({
  name: 'PropagationPolicy',
  description: 'What happens to the dependents of a deleted object.',
  values: { Background: {}, Foreground: {}, Orphan: {} },
})

const expect = new GraphQLInputObjectType({
  name: 'Expect',
  description: 'The state that the object must be in; another one is a Conflict.',
  fields: { resourceVersion: { type: GraphQLString }, uid: { type: GraphQLString } },
})

/** Options of creates, updates and patches. */
export const writeOptions = new GraphQLInputObjectType({
  name: 'WriteOptions',
  fields: {
    dryRun: {
      type: GraphQLBoolean,
      description: 'Everything but the write itself; the answer is what it would have given.',
    },
    fieldManager: { type: GraphQLString, description: 'Who writes; by default the first part of the User-Agent.' },
    fieldValidation: { type: fieldValidation },
    expect: { type: expect },
  },
})

/** Options of deletes. */
export const deleteOptions = new GraphQLInputObjectType({
  name: 'DeleteOptions',
  fields: {
    dryRun: { type: GraphQLBoolean },
    gracePeriodSeconds: { type: GraphQLInt, description: "Instead of the kind's own; 0 deletes at once." },
    propagationPolicy: { type: propagationPolicy },
    expect: { type: expect },
  },
})

/** A patch of one of the three types. */
export const patchInput = new GraphQLInputObjectType({
  name: 'Patch',
  isOneOf: true,
  fields: {
    json: { type: jsonScalar, description: 'A list of operations (RFC 6902).' },
    merge: { type: jsonScalar, description: 'A JSON merge patch (RFC 7396).' },
    strategic: {
      type: jsonScalar,
      description: 'A strategic merge patch, as `kubectl patch` sends: lists merge by their keys.',
    },
  },
})
