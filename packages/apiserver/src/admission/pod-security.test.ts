import { cronJobs, deployments, namespaces, pods, type ResourceDefinition } from '@binnacle/resources'
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
  namespace = `secured-${++count}`
  await test.createNamespace(namespace)
  test.takeWarnings()
})

const prefix = 'pod-security.kubernetes.io/'
const setLabels = async (given: Record<string, string>) => {
  const labels = Object.fromEntries(Object.entries(given).map(([key, value]) => [prefix + key, value]))
  const key = { namespace: '', name: namespace }
  const patch = { type: 'merge', body: { metadata: { labels } } } as const
  return await test.server.patch(test.request, namespaces as ResourceDefinition<any>, key, patch)
}
const spec = { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] }
const createPod = async (name: string, metadata: object = {}) =>
  await test.create(pods, { metadata: { name, namespace, ...metadata }, spec })
const why = 'hostPort (container "c" uses hostPort 80)'
const template = { metadata: { labels: { app: 'web' } }, spec }
const deployment = (name: string) => ({
  metadata: { name, namespace },
  spec: { selector: { matchLabels: { app: 'web' } }, template },
})

describe('a pod that breaks what its namespace enforces', () => {
  it('is refused', async () => {
    await setLabels({ enforce: 'baseline' })
    expect(await refusal(createPod('p'))).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: `pods "p" is forbidden: violates PodSecurity "baseline:latest": ${why}`,
    })
    expect(test.takeWarnings()).toEqual([])
  })

  it('stays where it is, and changes but for its images', async () => {
    await createPod('p')
    await setLabels({ enforce: 'baseline' })
    const key = { namespace, name: 'p' }
    const definition = pods as ResourceDefinition<any>
    const label = { type: 'merge', body: { metadata: { labels: { a: 'b' } } } } as const
    await test.server.patch(test.request, definition, key, label)
    const image = { type: 'strategic', body: { spec: { containers: [{ name: 'c', image: 'other' }] } } } as const
    expect((await refusal(test.server.patch(test.request, definition, key, image))).message).toContain(
      'violates PodSecurity "baseline:latest"',
    )
  })

  it('is warned of where it would be made by a controller', async () => {
    await setLabels({ enforce: 'baseline', 'enforce-version': 'v1.30' })
    await test.create(deployments, deployment('d'))
    const jobTemplate = { spec: { template: { spec: { ...spec, restartPolicy: 'Never' } } } }
    await test.create(cronJobs, { metadata: { name: 'j', namespace }, spec: { schedule: '0 0 * * *', jobTemplate } })
    const text = `would violate PodSecurity "baseline:v1.30": ${why}`
    expect(test.takeWarnings()).toEqual([text, text])
  })
})

it('a pod that breaks what its namespace warns of is made', async () => {
  await setLabels({ warn: 'baseline' })
  await createPod('p')
  expect(test.takeWarnings()).toEqual([`would violate PodSecurity "baseline:latest": ${why}`])
})

describe('the labels of a namespace', () => {
  it('must make sense', async () => {
    expect(await refusal(setLabels({ enforce: 'strict' }))).toMatchObject({
      reason: 'Invalid',
      message: `Namespace "${namespace}" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted`,
    })
    const labels = { 'pod-security.kubernetes.io/warn-version': '1' }
    expect((await refusal(test.create(namespaces, { metadata: { name: 'other', labels } }))).reason).toBe('Invalid')
  })

  it('are told which pods break what is enforced from now on', async () => {
    const controller = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'u', controller: true }
    for (const name of ['b', 'a', 'c']) await createPod(name, { ownerReferences: [controller] })
    test.takeWarnings()
    await setLabels({ enforce: 'baseline' })
    expect(test.takeWarnings()).toEqual([
      `existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "baseline:latest"`,
      'a (and 2 other pods): hostPort',
    ])
    await setLabels({ enforce: 'privileged' })
    expect(test.takeWarnings()).toEqual([])
  })
})
