import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { KubernetesObject, StatusError } from '@binnacle/apimachinery'
import {
  certificateSigningRequests,
  nodes,
  type Pod,
  podDisruptionBudgets,
  pods,
  replicaSets,
  type ResourceDefinition,
  secrets,
  serviceAccounts,
} from '@binnacle/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { base64, kubeletRequest } from '../testing-certificates.ts'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `sub-${++count}`
  await test.createNamespace(namespace)
})

const podDefinition = pods as ResourceDefinition<any>
const makePod = async (name: string, spec: object = {}, labels: Record<string, string> = {}): Promise<Pod> =>
  await test.create(pods, {
    metadata: { name, namespace, labels },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  })
const podNow = (name: string): Pod | undefined => test.store.get({ resource: 'pods', namespace, name })?.parse()
const post = async (name: string, subresource: string, body: unknown, options = {}) =>
  await test.server.createSubresource(test.request, podDefinition, { namespace, name }, subresource, body, options)

describe('pods/binding', () => {
  const binding = (name: string, node = 'n1', metadata: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, ...metadata },
    target: { kind: 'Node', name: node },
  })

  it('gives the pod its node', async () => {
    await makePod('p')
    expect(await post('p', 'binding', binding('p', 'n1', { annotations: { a: 'b' } }))).toMatchObject({
      kind: 'Status',
      status: 'Success',
      code: 201,
    })
    expect(podNow('p')).toMatchObject({
      metadata: { annotations: { a: 'b' } },
      spec: { nodeName: 'n1' },
      status: { conditions: [{ type: 'PodScheduled', status: 'True' }] },
    })
  })

  it('binds once', async () => {
    await makePod('p')
    await post('p', 'binding', binding('p'))
    expect(await refusal(post('p', 'binding', binding('p', 'n2')))).toMatchObject({
      code: 409,
      message: 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    })
  })

  it('does not bind another pod of the same name, one that goes away or one that is gated', async () => {
    const { metadata } = await makePod('p', { schedulingGates: [{ name: 'example.com/wait' }] })
    expect((await refusal(post('p', 'binding', binding('p', 'n1', { uid: 'other' })))).message).toContain(
      `Precondition failed: UID in precondition: other, UID in object meta: ${metadata.uid}`,
    )
    expect((await refusal(post('p', 'binding', binding('p')))).message).toContain(
      'pod p has non-empty .spec.schedulingGates',
    )
    const finalizers = ['example.com/stay']
    await test.create(pods, {
      metadata: { name: 'q', namespace, finalizers },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    })
    await test.server.delete(test.request, podDefinition, { namespace, name: 'q' })
    expect((await refusal(post('q', 'binding', binding('q')))).message).toContain(
      'pod q is being deleted, cannot be assigned to a host',
    )
  })

  it('needs a node', async () => {
    await makePod('p')
    const body = { metadata: { name: 'p' }, target: { kind: 'Pod' } }
    expect(await refusal(post('p', 'binding', body))).toMatchObject({
      code: 422,
      details: { causes: [{ field: 'target.kind' }, { field: 'target.name' }] },
    })
    expect((await refusal(post('none', 'binding', binding('none')))).message).toBe('pods "none" not found')
  })

  it('works as a POST of a Binding too', async () => {
    await makePod('p')
    const bindings = test.server.registry.byResource('', 'v1', 'bindings') as ResourceDefinition<any>
    await test.server.createVirtual(test.request, bindings, namespace, binding('p'))
    expect(podNow('p')?.spec?.nodeName).toBe('n1')
  })

  it('changes nothing in a dry run', async () => {
    await makePod('p')
    await post('p', 'binding', binding('p'), { dryRun: true })
    expect(podNow('p')?.spec?.nodeName).toBeUndefined()
  })
})

describe('pods/eviction', () => {
  const eviction = (name: string, deleteOptions?: object) => ({
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace },
    ...(deleteOptions === undefined ? {} : { deleteOptions }),
  })
  const running = async (name: string): Promise<void> => {
    await makePod(name, { nodeName: 'n' }, { app: 'x' })
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
    await setStatus(podDefinition, name, status)
  }
  const setStatus = async (definition: ResourceDefinition<any>, name: string, status: object) =>
    await test.server.patch(
      test.request,
      definition,
      { namespace, name },
      { type: 'merge', body: { status } },
      { subresource: 'status' },
    )
  const budgets = podDisruptionBudgets as ResourceDefinition<any>
  const budget = async (status: object, spec: object = {}, name = 'budget'): Promise<void> => {
    const selector = { matchLabels: { app: 'x' } }
    await test.create(podDisruptionBudgets, {
      metadata: { name, namespace },
      spec: { minAvailable: 1, selector, ...spec },
    })
    await setStatus(budgets, name, { observedGeneration: 1, ...status })
  }

  const budgetStatus = () =>
    test.store.get({ resource: 'poddisruptionbudgets.policy', namespace, name: 'budget' })?.parse().status

  it('deletes a pod without a budget, gracefully', async () => {
    await running('p')
    expect(await post('p', 'eviction', eviction('p', { gracePeriodSeconds: 7 }))).toMatchObject({
      status: 'Success',
      code: 201,
    })
    expect(podNow('p')?.metadata.deletionGracePeriodSeconds).toBe(7)
    expect(podNow('p')?.status?.conditions?.find((condition) => condition.type === 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
    })
  })

  it('charges the budget', async () => {
    await running('p')
    await budget({ disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1 })
    await post('p', 'eviction', eviction('p'))
    const status = budgetStatus()
    expect(status).toMatchObject({
      disruptionsAllowed: 0,
      disruptedPods: { p: expect.any(String) },
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods' }],
    })
    await running('q')
    expect((await refusal(post('q', 'eviction', eviction('q')))).code).toBe(429)
  })

  it('refuses when the budget allows no disruption', async () => {
    await running('p')
    await budget({ disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1 })
    expect(await refusal(post('p', 'eviction', eviction('p')))).toMatchObject({
      code: 429,
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: {
        causes: [
          {
            reason: 'DisruptionBudget',
            message: 'The disruption budget budget needs 1 healthy pods and has 1 currently',
          },
        ],
      },
    })
    expect(podNow('p')?.metadata.deletionTimestamp).toBeUndefined()
  })

  it('asks to come back while the budget has not been counted', async () => {
    await running('p')
    await budget({ observedGeneration: 0, disruptionsAllowed: 1 })
    expect(await refusal(post('p', 'eviction', eviction('p')))).toMatchObject({
      code: 429,
      details: {
        retryAfterSeconds: 10,
        causes: [{ message: 'The disruption budget budget is still being processed by the server.' }],
      },
    })
  })

  it('lets unhealthy pods go where the policy says so', async () => {
    await makePod('p', { nodeName: 'n' }, { app: 'x' })
    await setStatus(podDefinition, 'p', { phase: 'Running' })
    await budget({ disruptionsAllowed: 0, desiredHealthy: 1 }, { unhealthyPodEvictionPolicy: 'AlwaysAllow' })
    expect(await post('p', 'eviction', eviction('p'))).toMatchObject({ status: 'Success' })
  })

  it('does not ask the budget about pods that never ran', async () => {
    await makePod('p', {}, { app: 'x' })
    await budget({ disruptionsAllowed: 0 })
    await post('p', 'eviction', eviction('p'))
    expect(podNow('p')).toBeUndefined()
  })

  it('cannot decide between two budgets', async () => {
    await running('p')
    await budget({ disruptionsAllowed: 1 })
    await budget({ disruptionsAllowed: 1 }, {}, 'second')
    expect(await refusal(post('p', 'eviction', eviction('p')))).toMatchObject({
      code: 500,
      message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    })
  })

  it('charges the budget in the commit that deletes the pod', async () => {
    await running('p')
    await budget({ disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1 })
    await post('p', 'eviction', eviction('p'))
    const charged = test.store.get({ resource: 'poddisruptionbudgets.policy', namespace, name: 'budget' })
    expect(charged?.revision).toBe(Number(podNow('p')?.metadata.resourceVersion) + 1)
  })

  it('lets no more pods go than the budget allows, through two servers at once', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `p${index}`)
    for (const name of names) await running(name)
    await budget({ disruptionsAllowed: 3, currentHealthy: 8, desiredHealthy: 5 })
    const other = await test.another()
    const calls = names.map(async (name, index) => {
      const server = index % 2 === 0 ? test.server : other.server
      const key = { namespace, name }
      return await server.createSubresource(test.request, podDefinition, key, 'eviction', eviction(name))
    })
    const refused = (await Promise.allSettled(calls)).flatMap((outcome) =>
      outcome.status === 'rejected' ? [(outcome.reason as StatusError).code] : [],
    )
    expect(refused).toEqual([429, 429, 429, 429, 429])
    await test.store.linearize()
    expect(names.filter((name) => podNow(name)?.metadata.deletionTimestamp !== undefined)).toHaveLength(3)
    expect(budgetStatus().disruptionsAllowed).toBe(0)
  })

  it('changes nothing in a dry run', async () => {
    await running('p')
    await budget({ disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1 })
    await post('p', 'eviction', eviction('p'), { dryRun: true })
    expect(podNow('p')?.metadata.deletionTimestamp).toBeUndefined()
    const status = budgetStatus()
    expect(status.disruptionsAllowed).toBe(1)
  })
})

describe('serviceaccounts/token', () => {
  const accounts = serviceAccounts as ResourceDefinition<any>
  const token = async (spec: object = {}, metadata?: object) =>
    (await test.server.createSubresource(test.request, accounts, { namespace, name: 'default' }, 'token', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      ...(metadata === undefined ? {} : { metadata }),
      spec,
    })) as KubernetesObject & { status: { token: string; expirationTimestamp: string }; spec: Record<string, unknown> }

  it('issues a token that says who and for how long', async () => {
    const { status, spec } = await token()
    const account = test.store.get({ resource: 'serviceaccounts', namespace, name: 'default' })
    const claims = decodeJwt(status.token)
    expect(claims).toMatchObject({
      iss: test.authenticator.audience,
      aud: [test.authenticator.audience],
      sub: `system:serviceaccount:${namespace}:default`,
      'kubernetes.io': { namespace, serviceaccount: { name: 'default', uid: account?.uid } },
    })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(3600)
    expect(decodeProtectedHeader(status.token)).toMatchObject({ alg: 'ES256', kid: expect.stringMatching(/^.{43}$/) })
    expect(spec).toMatchObject({ audiences: [test.authenticator.audience], expirationSeconds: 3600 })
    expect(Date.parse(status.expirationTimestamp)).toBe((claims.exp ?? 0) * 1000)
  })

  it('binds it to a pod and its node', async () => {
    await test.create(nodes, { metadata: { name: `node-${namespace}` } })
    const { metadata } = await makePod('p', { nodeName: `node-${namespace}` })
    const { status } = await token({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: metadata.uid } })
    const user = await test.authenticator.authenticate({ bearerToken: status.token })
    expect(user).toMatchObject({
      name: `system:serviceaccount:${namespace}:default`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/pod-name': ['p'],
        'authentication.kubernetes.io/pod-uid': [metadata.uid],
        'authentication.kubernetes.io/node-name': [`node-${namespace}`],
      },
    })
    await test.server.delete(test.request, podDefinition, { namespace, name: 'p' }, { gracePeriodSeconds: 0 })
    expect((await refusal(test.authenticator.authenticate({ bearerToken: status.token }))).code).toBe(401)
  })

  it('binds it to a secret', async () => {
    await test.create(secrets, { metadata: { name: 's', namespace } })
    const { status } = await token({ boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 's' } })
    expect(decodeJwt(status.token)['kubernetes.io']).toMatchObject({ secret: { name: 's' } })
  })

  it('lives for a year, with a warning, when a pod asks for the usual hour', async () => {
    await makePod('p')
    const { status } = await token({
      expirationSeconds: 3607,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p' },
    })
    const claims = decodeJwt(status.token)
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(365 * 24 * 3600)
    expect(claims['kubernetes.io']).toMatchObject({ warnafter: (claims.iat ?? 0) + 3607 })
    expect(Date.parse(status.expirationTimestamp)).toBe(((claims.iat ?? 0) + 3607) * 1000)
  })

  it('refuses what cannot be', async () => {
    const message = async (spec: object, metadata?: object) => (await refusal(token(spec, metadata))).message
    expect(await message({ expirationSeconds: 5 })).toBe(
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes',
    )
    expect(await message({}, { name: 'other' })).toContain(
      'metadata.name: Invalid value: "other": must match the service account name if specified',
    )
    expect(await message({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'none' } })).toBe(
      'pods "none" not found',
    )
    expect(await message({ boundObjectRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' } })).toBe(
      'cannot bind token to object of type apps/v1, Kind=Deployment',
    )
    await makePod('p')
    expect(await message({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'x' } })).toContain(
      'the UID in the bound object reference (x) does not match the UID in record. The object might have been deleted and then recreated',
    )
  })

  it('is good for the audiences it was asked for', async () => {
    const { status } = await token({ audiences: ['somebody'] })
    const review = await reviewToken(status.token, ['somebody', 'else'])
    expect(review.status).toMatchObject({ authenticated: true, audiences: ['somebody'] })
    expect((await reviewToken(status.token)).status).toMatchObject({ error: expect.stringContaining('audiences') })
  })
})

const virtual = async (group: string, plural: string, spec: object | undefined, request = test.request, ns = '') => {
  const definition = test.server.registry.byResource(group, 'v1', plural) as ResourceDefinition<any>
  return (await test.server.createVirtual(request, definition, ns, spec === undefined ? {} : { spec })) as any
}
const reviewToken = async (token: string, audiences?: string[]) =>
  await virtual('authentication.k8s.io', 'tokenreviews', { token, ...(audiences === undefined ? {} : { audiences }) })
const authorization = 'authorization.k8s.io'

describe('reviews', () => {
  it('tell who is asking', async () => {
    const { status, kind } = await virtual('authentication.k8s.io', 'selfsubjectreviews', undefined)
    expect(kind).toBe('SelfSubjectReview')
    expect(status).toEqual({ userInfo: { username: 'admin', groups: ['system:masters', 'system:authenticated'] } })
  })

  it('refuse tokens that are none', async () => {
    expect((await reviewToken('nonsense')).status).toEqual({ user: {}, error: 'invalid bearer token' })
    expect((await refusal(reviewToken(''))).message).toBe('token is required for TokenReview in authentication')
  })

  it('allow everything to whoever is known', async () => {
    const resourceAttributes = { verb: 'get', resource: 'pods' }
    const self = await virtual(authorization, 'selfsubjectaccessreviews', { resourceAttributes })
    expect(self.status).toMatchObject({ allowed: true })
    const other = await virtual(authorization, 'subjectaccessreviews', { user: 'somebody', resourceAttributes })
    expect(other.status).toMatchObject({ allowed: true })
    const anonymous = await virtual(authorization, 'subjectaccessreviews', {
      user: 'system:anonymous',
      groups: ['system:unauthenticated'],
      resourceAttributes,
    })
    expect(anonymous.status).toEqual({ allowed: false })
  })

  it('list the rules of a namespace', async () => {
    const { status } = await virtual(authorization, 'selfsubjectrulesreviews', { namespace })
    expect(status).toMatchObject({ incomplete: false, resourceRules: [{ verbs: ['*'] }] })
    expect((await refusal(virtual(authorization, 'selfsubjectrulesreviews', {}))).message).toBe(
      'no namespace on request',
    )
  })

  it('need a question', async () => {
    expect((await refusal(virtual(authorization, 'selfsubjectaccessreviews', {}))).message).toContain(
      'exactly one of nonResourceAttributes or resourceAttributes must be specified',
    )
    const nobody = { resourceAttributes: { verb: 'get', resource: 'pods' } }
    expect((await refusal(virtual(authorization, 'subjectaccessreviews', nobody))).message).toContain(
      'spec.user: Required value: at least one of user or group must be specified',
    )
    const elsewhere = { user: 'u', resourceAttributes: { namespace: 'other', verb: 'get', resource: 'pods' } }
    const local = virtual(authorization, 'localsubjectaccessreviews', elsewhere, test.request, namespace)
    expect((await refusal(local)).message).toContain(
      'spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace',
    )
  })
})

describe('other subresources', () => {
  it('add ephemeral containers and nothing else', async () => {
    const made = await makePod('p')
    const body = {
      spec: { ephemeralContainers: [{ name: 'debug', image: 'busybox' }], containers: [{ name: 'c', image: 'other' }] },
    }
    const answer = await test.server.patch(
      test.request,
      podDefinition,
      { namespace, name: 'p' },
      { type: 'strategic', body },
      { subresource: 'ephemeralcontainers' },
    )
    const { spec } = answer.object.parse() as Pod
    expect(spec?.ephemeralContainers?.map((container) => container.name)).toEqual(['debug'])
    expect(spec?.containers).toEqual(made.spec?.containers)
  })

  it('approve certificate signing requests', async () => {
    const definition = certificateSigningRequests as ResourceDefinition<any>
    const spec = { request: base64(kubeletRequest), signerName: 'example.com/signer', usages: ['client auth'] }
    const made = await test.create(definition, { metadata: { name: `csr-${namespace}` }, spec })
    const conditions = [{ type: 'Approved', status: 'True', reason: 'Because' }]
    const key = { namespace: '', name: `csr-${namespace}` }
    const answer = await test.server.update(
      test.request,
      definition,
      key,
      { ...made, status: { conditions } },
      { subresource: 'approval' },
    )
    expect(answer.object.parse().status.conditions).toMatchObject(conditions)
  })

  it('scale', async () => {
    const definition = replicaSets as ResourceDefinition<any>
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
    const spec = { replicas: 2, selector: { matchLabels: { a: 'b' } }, template }
    const made = await test.create(definition, { metadata: { name: 'r', namespace }, spec })
    const key = { namespace, name: 'r' }
    const scale = await test.server.getScale(test.request, definition, key)
    expect(scale).toMatchObject({
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      metadata: { name: 'r', namespace, uid: made.metadata.uid, resourceVersion: made.metadata.resourceVersion },
      spec: { replicas: 2 },
      status: { replicas: 0, selector: 'a=b' },
    })
    const more = await test.server.patchScale(test.request, definition, key, {
      type: 'merge',
      body: { spec: { replicas: 5 } },
    })
    expect(more).toMatchObject({ spec: { replicas: 5 } })
    expect((await refusal(test.server.updateScale(test.request, definition, key, scale))).reason).toBe('Conflict')
    const negative = { ...more, spec: { replicas: -1 } }
    expect((await refusal(test.server.updateScale(test.request, definition, key, negative))).message).toContain(
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    )
    const none = test.server.getScale(test.request, podDefinition, { namespace, name: 'x' })
    expect((await refusal(none)).message).toBe('the server could not find the requested resource')
  })

  it('do not exist where a kind has none', async () => {
    await makePod('p')
    expect((await refusal(post('p', 'nonsense', {}))).code).toBe(404)
    const call = test.server.update(
      test.request,
      podDefinition,
      { namespace, name: 'p' },
      {},
      { subresource: 'nonsense' },
    )
    expect((await refusal(call)).code).toBe(404)
  })
})
