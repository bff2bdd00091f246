import { ingressClasses, ingresses, type Pod, pods, priorityClasses, runtimeClasses } from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
const namespace = 'classes'

beforeAll(async () => {
  test = await startTestServer()
  await test.createNamespace(namespace)
})
afterAll(async () => await test.stop())

const pod = (name: string, spec: object = {}) => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
})

describe('a RuntimeClass', () => {
  const overhead = { podFixed: { cpu: '250m' } }
  const scheduling = { nodeSelector: { sandbox: 'yes' }, tolerations: [{ key: 'sandbox', operator: 'Exists' }] }

  it('gives its pods overhead, node selector and tolerations', async () => {
    await test.create(runtimeClasses, { metadata: { name: 'sandbox' }, handler: 'runsc', overhead, scheduling })
    const { spec } = (await test.create(pods, pod('a', { runtimeClassName: 'sandbox' }))) as Pod
    expect(spec).toMatchObject({ overhead: { cpu: '250m' }, nodeSelector: { sandbox: 'yes' } })
    expect(spec?.tolerations).toContainEqual({ key: 'sandbox', operator: 'Exists' })
  })

  it.each([
    [{ runtimeClassName: 'none' }, 'pod rejected: RuntimeClass "none" not found'],
    [{ overhead: { cpu: '1' } }, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead'],
    [
      { runtimeClassName: 'sandbox', overhead: { cpu: '1' } },
      "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    ],
    [
      { runtimeClassName: 'sandbox', nodeSelector: { sandbox: 'no' } },
      'conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no',
    ],
  ])('refuses %j', async (spec, why) => {
    expect(await refusal(test.create(pods, pod('b', spec)))).toMatchObject({
      code: 403,
      message: `pods "b" is forbidden: ${why}`,
    })
  })
})

it('the default IngressClass is that of Ingresses which name none', async () => {
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' }
  await test.create(ingressClasses, { metadata: { name: 'nginx', annotations }, spec: { controller: 'example.com/c' } })
  const backend = { service: { name: 's', port: { number: 80 } } }
  const ingress = (name: string, spec: object = {}, rest: object = {}) => ({
    metadata: { name, namespace, ...rest },
    spec: { defaultBackend: backend, ...spec },
  })
  expect((await test.create(ingresses, ingress('a'))).spec?.ingressClassName).toBe('nginx')
  expect((await test.create(ingresses, ingress('b', { ingressClassName: 'own' }))).spec?.ingressClassName).toBe('own')
  const old = { annotations: { 'kubernetes.io/ingress.class': 'old' } }
  expect((await test.create(ingresses, ingress('c', {}, old))).spec?.ingressClassName).toBeUndefined()
})

it('there is one default PriorityClass at most', async () => {
  await test.create(priorityClasses, { metadata: { name: 'first' }, value: 1, globalDefault: true })
  const second = { metadata: { name: 'second' }, value: 2, globalDefault: true }
  expect((await refusal(test.create(priorityClasses, second))).message).toBe(
    'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass first is already marked as default. Only one default can exist',
  )
})
