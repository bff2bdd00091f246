import { expect, it } from 'vitest'
import {
  duplicate,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooMany,
  typeInvalid,
  valueNotFound,
  valueTooLong,
} from './field-errors.ts'
import { alreadyExists, conflict, forbidden, hasReason, invalid, isNotFound, notFound } from './status-error.ts'

const deployments = { group: 'apps', plural: 'deployments', kind: 'Deployment' }
const pods = { group: '', plural: 'pods', kind: 'Pod' }

it.each([
  [required('a'), 'FieldValueRequired', 'Required value'],
  [required('a', 'why'), 'FieldValueRequired', 'Required value: why'],
  [invalidValue('a', 'x"y', 'why'), 'FieldValueInvalid', 'Invalid value: "x\\"y": why'],
  [invalidValue('a', 5, 'why'), 'FieldValueInvalid', 'Invalid value: 5: why'],
  [invalidValue('a', true, 'why'), 'FieldValueInvalid', 'Invalid value: true: why'],
  [invalidValue('a', null, 'why'), 'FieldValueInvalid', 'Invalid value: null: why'],
  [invalidValue('a', { b: ['c'] }, 'why'), 'FieldValueInvalid', 'Invalid value: {"b":["c"]}: why'],
  [notSupported('a', 'x', ['B', 'A']), 'FieldValueNotSupported', 'Unsupported value: "x": supported values: "B", "A"'],
  [duplicate('a', 'x'), 'FieldValueDuplicate', 'Duplicate value: "x"'],
  [forbiddenField('a', 'why'), 'FieldValueForbidden', 'Forbidden: why'],
  [valueNotFound('a', 'x'), 'FieldValueNotFound', 'Not found: "x"'],
  [valueTooLong('a', 5), 'FieldValueTooLong', 'Too long: may not be more than 5 bytes'],
  [tooMany('a', 3, 2), 'FieldValueTooMany', 'Too many: 3: must have at most 2 items'],
  [tooMany('a', 3, 1), 'FieldValueTooMany', 'Too many: 3: must have at most 1 item'],
  [typeInvalid('a', 'x', 'why'), 'FieldValueTypeInvalid', 'Invalid value: "x": why'],
])('%j is of type %s and reads %j', (error, type, message) => {
  expect(error).toEqual({ type, field: 'a', message })
})

it('one invalid field is named alone', () => {
  const error = invalid(deployments, 'web', [required('spec.selector')])
  expect(error.status).toMatchObject({
    reason: 'Invalid',
    code: 422,
    message: 'Deployment.apps "web" is invalid: spec.selector: Required value',
    details: {
      name: 'web',
      group: 'apps',
      kind: 'Deployment',
      causes: [{ reason: 'FieldValueRequired', message: 'Required value', field: 'spec.selector' }],
    },
  })
})

it('several invalid fields are listed', () => {
  const error = invalid(pods, 'p', [required('a'), duplicate('b', 'x')])
  expect(error.message).toBe('Pod "p" is invalid: [a: Required value, b: Duplicate value: "x"]')
})

it.each([
  [notFound(deployments, 'web'), 404, 'deployments.apps "web" not found'],
  [notFound(pods, 'p'), 404, 'pods "p" not found'],
  [alreadyExists(pods, 'p'), 409, 'pods "p" already exists'],
  [
    conflict(pods, 'p'),
    409,
    'Operation cannot be fulfilled on pods "p": the object has been modified; please apply your changes to the latest version and try again',
  ],
  [forbidden(deployments, 'web', 'no'), 403, 'deployments.apps "web" is forbidden: no'],
])('an answer has the code and the text of its reason', (error, code, message) => {
  expect([error.code, error.message, error.status.message]).toEqual([code, message, message])
})

it('reasons are told apart', () => {
  expect(isNotFound(notFound(pods, 'p'))).toBe(true)
  expect(isNotFound(new Error('not found'))).toBe(false)
  expect(hasReason(conflict(pods, 'p'), 'AlreadyExists')).toBe(false)
})
