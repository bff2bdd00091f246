import { formatTime } from '@binnacle/apimachinery'
import {
  nodeMetrics,
  nodes,
  nodeUsages,
  type Pod,
  podMetrics,
  pods,
  type ResourceDefinition,
} from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from './test-server.ts'

let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
  await test.createNamespace('metered')
  for (const name of ['n1', 'n2']) await test.create(nodes, { metadata: { name, labels: { zone: name } } })
})
afterAll(async () => await test.stop())

const podDefinition = podMetrics as ResourceDefinition<any>
const nodeDefinition = nodeMetrics as ResourceDefinition<any>

async function aPod(name: string, nodeName: string): Promise<Pod> {
  const spec = { nodeName, containers: [{ name: 'app', image: 'i' }] }
  return await test.create(pods, { metadata: { name, namespace: 'metered', labels: { app: name } }, spec })
}

async function record(name: string, uids: readonly string[], timestamp = formatTime(Date.now())): Promise<void> {
  const usage = { cpu: '250m', memory: '64Mi' }
  const measured = uids.map((uid) => ({ uid, containers: [{ name: 'app', usage }] }))
  await test.create(nodeUsages, { metadata: { name }, timestamp, window: '15s', usage, pods: measured })
}

const listed = async (definition: ResourceDefinition, select: object = {}): Promise<any[]> =>
  (await test.server.list(test.request, definition, select)).objects.map((object) => object.parse())
const namesOf = async (definition: ResourceDefinition, select: object = {}): Promise<string[]> =>
  (await listed(definition, select)).map(({ metadata }) => metadata.name)

describe('metrics.k8s.io', () => {
  it('tells of the pods and nodes that were measured, with their labels', async () => {
    expect(await listed(podDefinition)).toEqual([])
    const [a, b] = [await aPod('a', 'n1'), await aPod('b', 'n1')]
    await aPod('unmeasured', 'n1')
    await record('n1', [a.metadata.uid ?? '', b.metadata.uid ?? '', 'of-a-pod-that-is-gone'])
    expect(await namesOf(podDefinition, { namespace: 'metered' })).toEqual(['a', 'b'])
    expect(await namesOf(podDefinition, { labelSelector: 'app=b' })).toEqual(['b'])
    expect(await namesOf(podDefinition, { fieldSelector: 'metadata.name=a' })).toEqual(['a'])
    expect(await namesOf(podDefinition, { namespace: 'default' })).toEqual([])
    expect(await namesOf(nodeDefinition)).toEqual(['n1'])
    const one = await test.server.get(test.request, podDefinition, { namespace: 'metered', name: 'a' })
    expect(one.parse()).toMatchObject({
      apiVersion: 'metrics.k8s.io/v1beta1',
      kind: 'PodMetrics',
      metadata: { name: 'a', namespace: 'metered', labels: { app: 'a' } },
      window: '15s',
      containers: [{ name: 'app', usage: { cpu: '250m', memory: '64Mi' } }],
    })
    expect(test.server.table(podDefinition, [one]).rows[0]?.cells).toEqual(['a', '250m', '65536Ki', '15s'])
  })

  it('tells the same in another API process', async () => {
    const other = await test.another()
    const { objects } = await other.server.list(test.request, podDefinition, { namespace: 'metered' })
    expect(objects.map(({ key }) => key.name)).toEqual(['a', 'b'])
  })

  it('tells nothing of a measurement that is more than a minute old', async () => {
    const old = await aPod('old', 'n2')
    await record('n2', [old.metadata.uid ?? ''], formatTime(Date.now() - 61_000))
    expect(await namesOf(podDefinition, { labelSelector: 'app=old' })).toEqual([])
    expect(await namesOf(nodeDefinition)).toEqual(['n1'])
    expect(
      await refusal(test.server.get(test.request, podDefinition, { namespace: 'metered', name: 'old' })),
    ).toMatchObject({ code: 404, message: 'pods.metrics.k8s.io "old" not found' })
  })
})
