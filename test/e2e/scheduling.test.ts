import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, https, kubectlPath, type Product, startProduct } from '../fixtures/product.ts'

/** The scheduler as an operator configures it and as its users see it: profiles, reasons, preemption within budgets, an extender. */

const licence = 'example.com/licence'
let product: Product
let extender: Server
let directory: string
/** What the extender was asked, and where it lets pods go. */
const asked: { verb: string; body: any }[] = []
let licensed: readonly string[] = ['sim-1']

async function answerTo(verb: string, body: any): Promise<unknown> {
  asked.push({ verb, body })
  if (verb === 'filter') {
    const others = body.NodeNames.filter((name: string) => !licensed.includes(name))
    return {
      NodeNames: body.NodeNames.filter((name: string) => licensed.includes(name)),
      FailedNodes: Object.fromEntries(others.map((name: string) => [name, 'no licence left'])),
    }
  }
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: body.PodName, uid: body.PodUID },
    target: { kind: 'Node', name: body.Node },
  }
  const url = `${product.endpoints.api}/api/v1/namespaces/${body.PodNamespace}/pods/${body.PodName}/binding`
  const answer = await https(product, url, { method: 'POST', body: JSON.stringify(binding) })
  return { Error: answer.status < 300 ? '' : answer.body }
}

async function startExtender(): Promise<string> {
  extender = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    request.on('end', () => {
      const verb = path.basename(request.url ?? '')
      void answerTo(verb, JSON.parse(text)).then((answer) => response.end(JSON.stringify(answer)))
    })
  })
  await new Promise<void>((resolve) => extender.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(extender.address() as AddressInfo).port}`
}

const configuration = (urlPrefix: string): string => `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  plugins:
    score:
      disabled: [{ name: "*" }]
      enabled: [{ name: NodeResourcesFit }]
    preScore:
      disabled: [{ name: "*" }]
      enabled: [{ name: NodeResourcesFit }]
  pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy: { type: MostAllocated, resources: [{ name: cpu, weight: 1 }] }
extenders:
- urlPrefix: ${urlPrefix}
  filterVerb: filter
  bindVerb: bind
  nodeCacheCapable: true
  managedResources: [{ name: ${licence}, ignoredByScheduler: true }]
`

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'binnacle-scheduling-'))
  const file = path.join(directory, 'scheduler.yaml')
  writeFileSync(file, configuration(await startExtender()))
  const gangs = ['--runtime-config', 'scheduling.k8s.io/v1alpha2=true']
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard', '--scheduler-config', file, ...gangs])
}, 240_000)
afterAll(async () => {
  product?.remove()
  extender?.closeAllConnections()
  await new Promise((resolve) => extender?.close(resolve))
  rmSync(directory, { recursive: true, force: true })
})

const podOf = (name: string, resources: object, rest: { metadata?: object; spec?: object } = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...rest.metadata },
  spec: { containers: [{ name: 'app', image: 'app:1', resources }], terminationGracePeriodSeconds: 1, ...rest.spec },
})

async function apply(...items: object[]): Promise<void> {
  const file = path.join(directory, 'objects.json')
  writeFileSync(file, items.map((item) => JSON.stringify(item)).join('\n'))
  await product.kubectl('apply', '-f', file)
}

const get = async (...what: string[]): Promise<any> => JSON.parse(await product.kubectl('get', ...what, '-o', 'json'))

async function running(...names: string[]): Promise<string[]> {
  await product.kubectl(
    'wait',
    '--for=jsonpath={.status.phase}=Running',
    '--timeout=60s',
    ...names.map((n) => `pod/${n}`),
  )
  return await Promise.all(names.map(async (name) => (await get('pod', name)).spec.nodeName))
}

async function eventOf(name: string, reason: string): Promise<any> {
  return await eventually(async () => {
    const { items } = await get('events', '--field-selector', `involvedObject.name=${name},reason=${reason}`)
    expect(items.length).toBeGreaterThan(0)
    return items.at(-1)
  })
}

describe.skipIf(kubectlPath === undefined)('the scheduler of a running cluster', () => {
  it('places the pods of each profile by its own plugins, and says which profile it was', async () => {
    const names = [1, 2, 3, 4, 5].map((i) => `packed-${i}`)
    const packed = names.map((name) => podOf(name, { requests: { cpu: '1' } }, { spec: { schedulerName: 'packing' } }))
    await apply(podOf('spread', { requests: { cpu: '1' } }), ...packed)
    const nodes = await running(...names)
    expect(new Set(nodes).size).toBe(1)
    expect(await eventOf('packed-1', 'Scheduled')).toMatchObject({
      reportingComponent: 'packing',
      message: `Successfully assigned default/packed-1 to ${nodes[0]}`,
    })
    await running('spread')
    expect(await eventOf('spread', 'Scheduled')).toMatchObject({ reportingComponent: 'default-scheduler' })
    await product.kubectl('delete', 'pod', 'spread', ...names)
  }, 120_000)

  it('says why a pod fits nowhere: in an event, in its condition, and by GraphQL', async () => {
    await apply(podOf('huge', { requests: { cpu: '100' } }))
    const message =
      '0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.'
    expect(await eventOf('huge', 'FailedScheduling')).toMatchObject({ type: 'Warning', message })
    const query = `{ pod(namespace: "default", name: "huge") { status { phase conditions { type status reason message } } } }`
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
    await eventually(async () =>
      expect((await product.graphql(query)).pod.status).toMatchObject({ phase: 'Pending', conditions: [condition] }),
    )
    expect((await get('pod', 'huge')).status.conditions).toMatchObject([condition])
    await product.kubectl('delete', 'pod', 'huge')
  }, 120_000)

  it('makes room for a more important pod where no disruption budget is broken', async () => {
    const priority = (name: string, value: number) => ({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      value,
    })
    const filling = (name: string, app: string, i: number) =>
      podOf(
        name,
        { requests: { cpu: '20' } },
        {
          metadata: { labels: { app } },
          spec: { priorityClassName: 'low', nodeSelector: { 'kubernetes.io/hostname': `sim-${i}` } },
        },
      )
    const budget = {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'guarded' },
      spec: { minAvailable: 2, selector: { matchLabels: { app: 'guarded' } } },
    }
    const fillings = [
      filling('guarded-0', 'guarded', 0),
      filling('free', 'free', 1),
      filling('guarded-2', 'guarded', 2),
    ]
    await apply(priority('low', 10), priority('high', 1000), budget, ...fillings)
    await running('guarded-0', 'free', 'guarded-2')
    await product.kubectl('wait', '--for=jsonpath={.status.currentHealthy}=2', 'pdb/guarded', '--timeout=60s')
    await apply(podOf('urgent', { requests: { cpu: '20' } }, { spec: { priorityClassName: 'high' } }))
    expect(await running('urgent')).toEqual(['sim-1'])
    const { uid } = (await get('pod', 'urgent')).metadata
    expect(await eventOf('free', 'Preempted')).toMatchObject({
      reportingComponent: 'default-scheduler',
      message: `Preempted by pod ${uid} on node sim-1`,
    })
    expect((await get('pods', '-l', 'app')).items.map((pod: any) => pod.metadata.name)).toEqual([
      'guarded-0',
      'guarded-2',
    ])
    await product.kubectl('delete', 'pod', 'urgent', 'guarded-0', 'guarded-2')
  }, 120_000)

  it('asks an extender about the pods that want what it manages, and has it bind them', async () => {
    await apply(podOf('licensed', { limits: { [licence]: '1' } }), podOf('plain', { requests: { cpu: '1' } }))
    expect(await running('licensed')).toEqual(['sim-1'])
    await running('plain')
    expect(await eventOf('licensed', 'Scheduled')).toMatchObject({
      message: 'Successfully assigned default/licensed to sim-1',
    })
    expect(asked.map(({ verb, body }) => [verb, body.Pod?.metadata.name ?? body.PodName])).toEqual([
      ['filter', 'licensed'],
      ['bind', 'licensed'],
    ])
    licensed = []
    await apply(podOf('unlicensed', { limits: { [licence]: '1' } }))
    const { message } = await eventOf('unlicensed', 'FailedScheduling')
    expect(message).toBe(
      '0/3 nodes are available: 3 no licence left. no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.',
    )
    licensed = ['sim-2']
    // Anything that happens to nodes or pods has the pod tried again.
    await product.kubectl('delete', 'pod', 'plain')
    expect(await running('unlicensed')).toEqual(['sim-2'])
  }, 120_000)

  it('gives the pods of a gang their nodes together or not at all, and the group says which', async () => {
    const group = {
      apiVersion: 'scheduling.k8s.io/v1alpha2',
      kind: 'PodGroup',
      metadata: { name: 'gang' },
      spec: { schedulingPolicy: { gang: { minCount: 3 } } },
    }
    const worker = (i: number): object =>
      podOf(`worker-${i}`, { requests: { cpu: '20' } }, { spec: { schedulingGroup: { podGroupName: 'gang' } } })
    await apply(podOf('other', { requests: { cpu: '20' } }))
    await running('other')
    await apply(group, worker(0), worker(1), worker(2))
    const condition = async (): Promise<any> => (await get('podgroup', 'gang')).status?.conditions?.[0]
    const unschedulable = { type: 'PodGroupScheduled', status: 'False', reason: 'Unschedulable' }
    await eventually(async () => expect(await condition()).toMatchObject(unschedulable))
    const { items } = await get('pods')
    const workers = items.filter((pod: any) => pod.metadata.name.startsWith('worker'))
    expect(workers.map((pod: any) => pod.spec.nodeName)).toEqual([undefined, undefined, undefined])
    expect(workers.map((pod: any) => pod.status.conditions[0].message)).toContain(
      'pod group is unschedulable, waiting for minCount pods from a gang to be waiting on permit',
    )
    await product.kubectl('delete', 'pod', 'other')
    expect(new Set(await running('worker-0', 'worker-1', 'worker-2')).size).toBe(3)
    expect(await condition()).toMatchObject({ type: 'PodGroupScheduled', status: 'True', reason: 'Scheduled' })
  }, 120_000)
})
