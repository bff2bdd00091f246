import {
  configMaps,
  namespaces,
  pods,
  type ResourceDefinition,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
  type ValidatingAdmissionPolicySpec,
} from '@binnacle/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  for (const definition of [validatingAdmissionPolicyBindings, validatingAdmissionPolicies])
    await test.server.deleteCollection(test.request, definition as ResourceDefinition<any>, {})
  namespace = `policed-${++count}`
  await test.createNamespace(namespace)
  test.takeWarnings()
})

const configDefinition = configMaps as ResourceDefinition<any>
const key = (name: string) => ({ namespace, name })
const rule = (over: object = {}) => ({
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CREATE', 'UPDATE'],
  resources: ['configmaps'],
  ...over,
})

/** A policy about ConfigMaps, with its binding. */
async function police(spec: Partial<ValidatingAdmissionPolicySpec>, binding: object = {}): Promise<void> {
  await test.create(validatingAdmissionPolicies, {
    metadata: { name: 'p' },
    spec: { matchConstraints: { resourceRules: [rule()] }, ...spec },
  })
  await bind(binding)
}
const bind = async (binding: object = {}) =>
  await test.create(validatingAdmissionPolicyBindings, {
    metadata: { name: 'b' },
    spec: { policyName: 'p', validationActions: ['Deny'], ...binding },
  })
const write = async (name: string, data: Record<string, string>, labels: Record<string, string> = {}) =>
  await test.create(configMaps, { metadata: { name, namespace, labels }, data })
const isRefused = async (call: Promise<unknown>): Promise<boolean> => {
  return await call.then(
    () => false,
    () => true,
  )
}
const big = { expression: 'int(object.data.size) <= 5' }

describe('a policy', () => {
  it('refuses what breaks it, in its words', async () => {
    await police({ validations: [{ ...big, message: 'too big' }] })
    expect(await refusal(write('c', { size: '7' }))).toMatchObject({
      code: 422,
      reason: 'Invalid',
      message: `configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too big`,
      details: { causes: [{ message: `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too big` }] },
    })
    expect((await write('c', { size: '5' })).data).toEqual({ size: '5' })
  })

  it('says what it found, or else what it asked for, with the reason that it names', async () => {
    await police({
      validations: [
        { ...big, messageExpression: `'size is ' + object.data.size`, reason: 'Forbidden' },
        { expression: `!('x' in object.data)` },
      ],
    })
    expect(await refusal(write('c', { size: '7' }))).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: expect.stringMatching(/denied request: size is 7$/),
    })
    expect((await refusal(write('c', { size: '1', x: '' }))).message).toMatch(
      /denied request: failed expression: !\('x' in object\.data\)$/,
    )
  })

  it('is nothing without a binding', async () => {
    await police({ validations: [big] }, { policyName: 'other' })
    expect(await isRefused(write('c', { size: '7' }))).toBe(false)
  })

  it('warns where its binding says so', async () => {
    await police({ validations: [{ ...big, message: 'too big' }] }, { validationActions: ['Warn', 'Audit'] })
    await write('c', { size: '7' })
    expect(test.takeWarnings()).toEqual([
      `Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': too big`,
    ])
  })

  it('refuses what it cannot judge, unless it says otherwise', async () => {
    await police({ validations: [big] })
    expect((await refusal(write('c', {}))).message).toMatch(
      /denied request: expression 'int\(object\.data\.size\) <= 5' resulted in error: No such key/,
    )
    const patch = { type: 'merge', body: { spec: { failurePolicy: 'Ignore' } } } as const
    const definition = validatingAdmissionPolicies as ResourceDefinition<any>
    await test.server.patch(test.request, definition, { namespace: '', name: 'p' }, patch)
    expect(await isRefused(write('c', {}))).toBe(false)
  })

  it('is not about policies, so that a bad one can be mended', async () => {
    const everything = rule({ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*'] })
    await police({ validations: [{ expression: 'false' }], matchConstraints: { resourceRules: [everything] } })
    expect(await isRefused(write('c', {}))).toBe(true)
    const definition = validatingAdmissionPolicyBindings as ResourceDefinition<any>
    await test.server.delete(test.request, definition, { namespace: '', name: 'b' })
    expect(await isRefused(write('c', {}))).toBe(false)
  })
})

describe('expressions see', () => {
  it.each([
    ['the request', `request.operation == 'CREATE' && request.userInfo.username == 'admin' && request.name == 'c'`],
    [
      'who is in which group',
      `'system:masters' in request.userInfo.groups && request.resource.resource == 'configmaps'`,
    ],
    ['the namespace', 'namespaceObject.metadata.name == request.namespace'],
    ['no object of before', 'oldObject == null'],
    ['what is not there', '!has(object.data.missing) && object.?data.missing.orValue("none") == "none"'],
    ['no parameters', 'params == null'],
    ['that nothing is committed', 'request.dryRun == false'],
  ])('%s', async (_what, expression) => {
    await police({ validations: [{ expression }] })
    expect(await isRefused(write('c', { size: '1' }))).toBe(false)
  })

  it('variables, each made of those before it', async () => {
    const variables = [
      { name: 'size', expression: 'int(object.data.size)' },
      { name: 'isBig', expression: 'variables.size > 5' },
    ]
    await police({ variables, validations: [{ expression: '!variables.isBig' }] })
    expect([await isRefused(write('c', { size: '7' })), await isRefused(write('d', { size: '1' }))]).toEqual([
      true,
      false,
    ])
  })

  it('what was there before an update and a delete', async () => {
    await police({
      validations: [{ expression: `!(oldObject != null && oldObject.data.size == '1')` }],
      matchConstraints: { resourceRules: [rule({ operations: ['UPDATE', 'DELETE'] })] },
    })
    await write('c', { size: '1' })
    const patch = { type: 'merge', body: { data: { size: '2' } } } as const
    expect(await isRefused(test.server.patch(test.request, configDefinition, key('c'), patch))).toBe(true)
    expect(await isRefused(test.server.delete(test.request, configDefinition, key('c')))).toBe(true)
    const batch = [{ verb: 'delete', resource: configDefinition, key: key('c') }] as const
    expect(await isRefused(test.server.writeAll(test.request, batch, { atomic: true }))).toBe(true)
  })

  it('parameters, each in turn', async () => {
    const limit = async (name: string, max: string) =>
      await test.create(configMaps, { metadata: { name, namespace, labels: { limit: 'yes' } }, data: { max } })
    await limit('low', '5')
    await limit('high', '9')
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' }
    const validations = [{ expression: 'int(object.data.size) <= int(params.data.max)' }]
    const paramRef = { name: 'high', namespace, parameterNotFoundAction: 'Deny' }
    await police({ paramKind, validations }, { paramRef })
    expect(await isRefused(write('c', { size: '7' }))).toBe(false)
    const definition = validatingAdmissionPolicyBindings as ResourceDefinition<any>
    await test.server.delete(test.request, definition, { namespace: '', name: 'b' })
    await bind({ paramRef: { selector: { matchLabels: { limit: 'yes' } }, parameterNotFoundAction: 'Deny' } })
    expect(await isRefused(write('d', { size: '7' }))).toBe(true)
  })

  it.each([
    ['Deny', true],
    ['Allow', false],
  ])('parameters that are missing: %s', async (parameterNotFoundAction, refused) => {
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' }
    const paramRef = { name: 'none', parameterNotFoundAction }
    await police({ paramKind, validations: [{ expression: 'true' }] }, { paramRef })
    expect(await isRefused(write('c', {}))).toBe(refused)
  })
})

describe('a policy is about', () => {
  const never = [{ expression: 'false' }]

  it('what its rules name, and its binding does not leave out', async () => {
    await police(
      { validations: never },
      { matchResources: { excludeResourceRules: [rule({ resourceNames: ['free'] })] } },
    )
    expect([await isRefused(write('c', {})), await isRefused(write('free', {}))]).toEqual([true, false])
    const spec = { containers: [{ name: 'c', image: 'i' }] }
    expect(await isRefused(test.create(pods, { metadata: { name: 'p', namespace }, spec }))).toBe(false)
  })

  it('namespaces and objects that its selectors choose', async () => {
    const namespaceSelector = { matchLabels: { policed: 'yes' } }
    const objectSelector = { matchExpressions: [{ key: 'exempt', operator: 'DoesNotExist' }] }
    await police({
      validations: never,
      matchConstraints: { resourceRules: [rule()], namespaceSelector, objectSelector },
    })
    expect(await isRefused(write('a', {}))).toBe(false)
    const patch = { type: 'merge', body: { metadata: { labels: { policed: 'yes' } } } } as const
    await test.server.patch(
      test.request,
      namespaces as ResourceDefinition<any>,
      { namespace: '', name: namespace },
      patch,
    )
    expect(await isRefused(write('b', {}))).toBe(true)
    expect(await isRefused(write('c', {}, { exempt: 'yes' }))).toBe(false)
  })

  it('writes that meet its conditions', async () => {
    await police({
      validations: never,
      matchConditions: [
        { name: 'fails', expression: 'object.data.x == "1"' },
        { name: 'no', expression: 'object.metadata.name != "free"' },
      ],
    })
    expect([await isRefused(write('free', {})), await isRefused(write('c', {}))]).toEqual([false, true])
    expect((await refusal(write('c', {}))).message).toContain('No such key: x')
    expect(await isRefused(write('d', { x: '2' }))).toBe(false)
  })

  it('subresources where it names them', async () => {
    const status = rule({ resources: ['pods/status'], operations: ['UPDATE'] })
    await police({ validations: never, matchConstraints: { resourceRules: [status] } })
    const spec = { containers: [{ name: 'c', image: 'i' }] }
    const made = await test.create(pods, { metadata: { name: 'p', namespace }, spec })
    const body = { ...made, status: { phase: 'Running' } }
    const definition = pods as ResourceDefinition<any>
    expect(
      await isRefused(test.server.update(test.request, definition, key('p'), body, { subresource: 'status' })),
    ).toBe(true)
    const patch = { type: 'merge', body: { metadata: { labels: { a: 'b' } } } } as const
    expect(await isRefused(test.server.patch(test.request, definition, key('p'), patch))).toBe(false)
  })
})

describe('a policy that makes no sense is refused', () => {
  const messageOf = async (spec: Partial<ValidatingAdmissionPolicySpec>) =>
    (await refusal(police(spec))).message?.replace(/^.* is invalid: /, '')

  it.each<[Partial<ValidatingAdmissionPolicySpec>, string]>([
    [{}, 'spec.validations: Required value: validations or auditAnnotations must contain at least one item'],
    [
      { validations: [{ expression: '' }] },
      'spec.validations[0].expression: Required value: expression is not specified',
    ],
    [
      { validations: [{ expression: 'object.x ==' }] },
      'spec.validations[0].expression: Invalid value: "object.x ==": compilation failed: Unexpected token: EOF',
    ],
    [
      { validations: [{ expression: '"text"' }] },
      'spec.validations[0].expression: Invalid value: "\\"text\\"": compilation failed: must evaluate to bool',
    ],
    [
      { validations: [{ expression: 'unknown' }] },
      'spec.validations[0].expression: Invalid value: "unknown": compilation failed: Unknown variable: unknown',
    ],
    [
      { validations: [{ expression: 'true', reason: 'Because' }] },
      'spec.validations[0].reason: Unsupported value: "Because": supported values: "Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"',
    ],
  ])('%j', async (spec, message) => {
    expect(await messageOf(spec)).toBe(message)
  })

  it('as is a binding', async () => {
    expect((await refusal(bind({ validationActions: ['Deny', 'Warn'] }))).message).toContain(
      'must not contain both Deny and Warn',
    )
    expect((await refusal(bind({ policyName: '' }))).message).toContain('spec.policyName: Required value')
  })
})
