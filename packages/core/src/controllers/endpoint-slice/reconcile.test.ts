import { type EndpointSlice, endpointSlices, events, nodes, type Pod, pods, services } from '@binnacle/resources'
import { aNode, aPod, aService } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { endpointSliceController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: () => [endpointSliceController()] })
  for (const zone of ['a', 'b'])
    bench.cluster.seed(nodes, aNode({ name: `node-${zone}`, labels: { 'topology.kubernetes.io/zone': zone } }))
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

let addresses = 0
function seedPod(name: string, over: Parameters<typeof aPod>[0] = {}, spec: Partial<Pod['spec']> = {}): Pod {
  const podIP = `10.1.${Math.floor(addresses / 250)}.${(addresses++ % 250) + 1}`
  const pod = aPod({ name, labels: { app: 'web' }, nodeName: 'node-a', ready: true, podIP, ...over })
  return bench.cluster.seed(pods, { ...pod, spec: { ...pod.spec, ...spec } as NonNullable<Pod['spec']> })
}
const slices = (): EndpointSlice[] => bench.cluster.all(endpointSlices)
const endpoints = () => slices().flatMap((slice) => slice.endpoints ?? [])

describe('the endpoint slice controller', () => {
  it('publishes pods with their node, zone and port', async () => {
    const service = bench.cluster.seed(services, aService())
    const pod = seedPod('one')
    await bench.start()
    const [slice] = slices()
    expect(slice?.ports).toEqual([{ name: 'http', port: 8080, protocol: 'TCP' }])
    expect(slice?.metadata.labels).toEqual({
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      'kubernetes.io/service-name': 'web',
    })
    expect(slice?.metadata.ownerReferences?.[0]?.uid).toBe(service.metadata.uid)
    expect(slice?.endpoints).toEqual([
      {
        addresses: [pod.status?.podIP],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'node-a',
        zone: 'a',
        targetRef: { kind: 'Pod', namespace: 'default', name: 'one', uid: pod.metadata.uid },
      },
    ])
  })

  it.each([
    ['a ready pod that is being deleted', true, true, false, { ready: false, serving: true, terminating: true }],
    ['a pod that is not ready', false, false, false, { ready: false, serving: false, terminating: false }],
    ['a pod that is not ready but published', false, false, true, { ready: true, serving: false, terminating: false }],
    ['an unready pod being deleted', false, true, false, { ready: false, serving: false, terminating: true }],
  ])('says of %s what it is', async (_, ready, leaving, publishNotReadyAddresses, conditions) => {
    bench.cluster.seed(services, aService({ spec: { publishNotReadyAddresses } }))
    seedPod('one', { ready })
    if (leaving) await bench.cluster.delete(pods, { ...key, name: 'one' })
    await bench.start()
    expect(endpoints().map((endpoint) => endpoint.conditions)).toEqual([conditions])
  })

  it('leaves out pods that have ended or have no address', async () => {
    bench.cluster.seed(services, aService())
    seedPod('ended', { phase: 'Succeeded' })
    bench.cluster.seed(pods, aPod({ name: 'pending', labels: { app: 'web' } }))
    await bench.start()
    expect([slices().length, endpoints()]).toEqual([1, []])
  })

  it('leaves out a pod whose node is not known, until it is', async () => {
    bench.cluster.seed(services, aService())
    seedPod('one', { nodeName: 'node-c' })
    await bench.start()
    expect(endpoints()).toEqual([])
    bench.cluster.seed(nodes, aNode({ name: 'node-c' }))
    await bench.settle()
    expect(endpoints()).toHaveLength(1)
  })

  it('spreads many pods over slices of a hundred', async () => {
    bench.cluster.seed(services, aService())
    for (let index = 0; index < 250; index++) seedPod(`pod-${index}`)
    await bench.start()
    expect(slices().map((slice) => slice.endpoints?.length)).toEqual([100, 100, 50])
  })

  it('makes a slice of each address family', async () => {
    bench.cluster.seed(services, aService({ spec: { ipFamilies: ['IPv4', 'IPv6'] } }))
    const pod = seedPod('one')
    bench.cluster.change(pods, { ...key, name: 'one' }, (changed) => {
      changed.status = { ...changed.status, podIPs: [{ ip: pod.status?.podIP ?? '' }, { ip: 'fd00::1' }] }
    })
    await bench.start()
    const found = slices().map((slice) => [slice.addressType, slice.endpoints?.[0]?.addresses])
    expect(found).toEqual([
      ['IPv4', [pod.status?.podIP]],
      ['IPv6', ['fd00::1']],
    ])
  })

  it('names pods of a headless Service', async () => {
    bench.cluster.seed(services, aService({ spec: { clusterIP: 'None', clusterIPs: ['None'] } }))
    seedPod('one', {}, { hostname: 'first', subdomain: 'web' })
    seedPod('two', {}, { hostname: 'second', subdomain: 'other' })
    await bench.start()
    expect(endpoints().map(({ hostname }) => hostname)).toEqual(['first', undefined])
    expect(slices()[0]?.metadata.labels).toHaveProperty(['service.kubernetes.io/headless'], '')
  })

  it.each([
    ['PreferClose', { forZones: [{ name: 'a' }] }],
    ['PreferSameZone', { forZones: [{ name: 'a' }] }],
    ['PreferSameNode', { forNodes: [{ name: 'node-a' }], forZones: [{ name: 'a' }] }],
    [undefined, undefined],
  ])('with the traffic distribution %s hints at %o', async (trafficDistribution, hints) => {
    bench.cluster.seed(services, aService({ spec: trafficDistribution === undefined ? {} : { trafficDistribution } }))
    seedPod('one')
    seedPod('unready', { ready: false })
    await bench.start()
    expect(endpoints().map((endpoint) => endpoint.hints)).toEqual([hints, undefined])
  })

  describe('with the topology mode Auto', () => {
    const auto = { 'service.kubernetes.io/topology-mode': 'Auto' }
    const seedAuto = () => {
      const service = aService({ spec: { trafficDistribution: 'PreferSameZone' } })
      return bench.cluster.seed(services, { ...service, metadata: { ...service.metadata, annotations: auto } })
    }
    const zones = () => endpoints().map(({ hints }) => hints?.forZones?.map(({ name }) => name).join())
    const seedPods = (...nodeNames: string[]) =>
      nodeNames.forEach((nodeName, index) => seedPod(`p${index}`, { nodeName }))
    const reasons = () => bench.cluster.all(events).map(({ type, reason, message }) => `${type} ${reason} ${message}`)

    it('spreads endpoints over the zones by their CPU', async () => {
      seedAuto()
      seedPods('node-a', 'node-a', 'node-a', 'node-b')
      await bench.start()
      expect(zones().toSorted()).toEqual(['a', 'a', 'b', 'b'])
      expect(reasons()).toEqual([
        'Normal TopologyAwareHintsEnabled Topology Aware Hints has been enabled, addressType: IPv4',
      ])
    })

    it('gives none where there are too few endpoints, and says so', async () => {
      seedAuto()
      seedPods('node-a')
      await bench.start()
      expect(zones()).toEqual([undefined])
      expect(reasons()).toEqual([
        'Warning TopologyAwareHintsDisabled Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4',
      ])
      seedPod('more', { nodeName: 'node-b' })
      await bench.settle()
      expect(zones().toSorted()).toEqual(['a', 'b'])
    })

    it('takes them back when a zone is lost, and gives them again when it is back', async () => {
      seedAuto()
      seedPods('node-a', 'node-b')
      await bench.start()
      const setReady = (status: string) =>
        bench.cluster.change(nodes, { namespace: '', name: 'node-b' }, (node) => {
          node.status = { ...node.status, conditions: [{ type: 'Ready', status }] }
        })
      setReady('False')
      await bench.settle()
      expect(zones()).toEqual([undefined, undefined])
      setReady('True')
      await bench.settle()
      expect(zones().toSorted()).toEqual(['a', 'b'])
    })

    it('leaves hints that may stay when the controller begins anew', async () => {
      seedAuto()
      seedPods('node-a', 'node-a', 'node-a', 'node-b', 'node-b', 'node-b')
      await bench.start()
      const writes = bench.writesFromHere()
      await bench.stop()
      await bench.start()
      expect(writes()).toEqual([])
    })

    it('goes by the distribution of traffic once it is taken away', async () => {
      seedAuto()
      seedPods('node-a', 'node-a', 'node-a', 'node-b')
      await bench.start()
      bench.cluster.change(services, key, (service) => delete service.metadata.annotations)
      await bench.settle()
      expect(zones().toSorted()).toEqual(['a', 'a', 'a', 'b'])
      expect(reasons().at(-1)).toBe(
        'Warning TopologyAwareHintsDisabled Topology Aware Hints has been disabled, addressType: IPv4',
      )
    })
  })

  it('says which change its slices follow', async () => {
    bench.cluster.seed(services, aService())
    await bench.start()
    seedPod('one', { sinceTime: '2026-01-01T00:00:30Z' })
    await bench.settle()
    expect(slices()[0]?.metadata.annotations).toEqual({
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:30Z',
    })
  })

  it('leaves Services without a selector and slices of others alone', async () => {
    bench.cluster.seed(services, aService({ spec: { selector: {} } }))
    bench.cluster.seed(endpointSlices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...key, labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
    })
    const writes = bench.writesFromHere()
    await bench.start()
    expect(writes()).toEqual([])
  })

  it('makes no write when nothing changes', async () => {
    bench.cluster.seed(services, aService())
    seedPod('one')
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })
})

describe('the slices of a Service', () => {
  const scenario: Scenario = {
    controllers: () => [endpointSliceController()],
    compares: [endpointSlices],
    ignores: ['endpoints.kubernetes.io/last-change-trigger-time', 'annotations'],
    async run(story) {
      story.cluster.seed(nodes, aNode())
      story.cluster.seed(services, aService())
      const seed = (index: number, ready: boolean): unknown =>
        story.cluster.seed(
          pods,
          aPod({ name: `p${index}`, labels: { app: 'web' }, nodeName: 'node-1', ready, podIP: `10.1.0.${index}` }),
        )
      for (let index = 1; index < 4; index++) seed(index, true)
      await story.start()
      for (let index = 4; index < 6; index++) seed(index, index === 4)
      await story.settle()
      story.cluster.remove(pods, { namespace: 'default', name: 'p1' })
      await story.settle()
      story.cluster.change(services, key, (service) => {
        service.spec = { ...service.spec, ports: [{ name: 'http', port: 80, targetPort: 9090, protocol: 'TCP' }] }
      })
      await story.settle()
      await story.settle()
    },
  }

  it('end the same wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('end the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5]))

  const spread: Scenario = {
    ...scenario,
    async run(story) {
      for (const zone of ['a', 'b'])
        story.cluster.seed(nodes, aNode({ name: `node-${zone}`, labels: { 'topology.kubernetes.io/zone': zone } }))
      const service = aService()
      const annotations = { 'service.kubernetes.io/topology-mode': 'Auto' }
      story.cluster.seed(services, { ...service, metadata: { ...service.metadata, annotations } })
      const seed = (index: number, nodeName: string): unknown =>
        story.cluster.seed(
          pods,
          aPod({ name: `p${index}`, labels: { app: 'web' }, nodeName, ready: true, podIP: `10.1.0.${index}` }),
        )
      for (let index = 1; index < 4; index++) seed(index, 'node-a')
      await story.start()
      seed(4, 'node-a')
      await story.settle()
      await story.settle()
    },
  }

  it('have the same hints wherever the controller is killed', () => expectSameEndWhereverKilled(spread))
  it('have the same hints on stale views', () => expectSameEndOnStaleViews(spread, [1, 2, 3, 4, 5]))
})
