import { type Endpoints, endpoints, type EndpointSlice, endpointSlices, events, services } from '@binnacle/resources'
import { aService } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { endpointSliceMirroringController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: () => [endpointSliceMirroringController] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const slices = (): EndpointSlice[] => bench.cluster.all(endpointSlices)
const seedService = (selector: Record<string, string> = {}): unknown =>
  bench.cluster.seed(services, aService({ spec: { selector } }))
const seedEndpoints = (over: Partial<Endpoints['metadata']> = {}, count = 2): Endpoints =>
  bench.cluster.seed(endpoints, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...key, ...over },
    subsets: [
      {
        addresses: Array.from({ length: count - 1 }, (_, index) => ({
          ip: `10.0.${Math.floor(index / 250)}.${(index % 250) + 1}`,
        })),
        notReadyAddresses: [{ ip: 'fd00::1', hostname: 'six' }],
        ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      },
    ],
  })

describe('the endpoint slice mirroring controller', () => {
  it('repeats Endpoints of a Service without a selector, a slice for each family', async () => {
    seedService()
    seedEndpoints({ labels: { tier: 'db' }, annotations: { note: 'kept' } })
    await bench.start()
    expect(slices().map((slice) => [slice.addressType, slice.endpoints])).toEqual([
      ['IPv4', [{ addresses: ['10.0.0.1'], conditions: { ready: true } }]],
      ['IPv6', [{ addresses: ['fd00::1'], conditions: { ready: false }, hostname: 'six' }]],
    ])
    expect(slices()[0]?.metadata).toMatchObject({
      annotations: { note: 'kept' },
      labels: {
        tier: 'db',
        'kubernetes.io/service-name': 'web',
        'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
      },
      ownerReferences: [{ kind: 'Endpoints', name: 'web', controller: true }],
    })
  })

  it.each<[string, () => void]>([
    ['of a Service with a selector', () => void (seedService({ app: 'web' }), seedEndpoints())],
    ['of no Service', () => void seedEndpoints()],
    [
      'that ask for it',
      () => void (seedService(), seedEndpoints({ labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } })),
    ],
    [
      'that are a lock',
      () => void (seedService(), seedEndpoints({ annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } })),
    ],
  ])('leaves Endpoints %s alone', async (_, arrange) => {
    arrange()
    await bench.start()
    expect(slices()).toEqual([])
  })

  it('takes its slices away when the Service gets a selector', async () => {
    seedService()
    seedEndpoints()
    await bench.start()
    bench.cluster.change(services, key, (service) => void (service.spec = { ...service.spec, selector: { a: 'b' } }))
    await bench.settle()
    expect(slices()).toEqual([])
  })

  it('mirrors a thousand addresses of a subset, and says how many it left out', async () => {
    seedService()
    seedEndpoints({}, 1003)
    await bench.start()
    expect(slices().map((slice) => slice.endpoints?.length)).toEqual([1000])
    expect(bench.only(events).message).toBe(
      'A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 3 addresses were skipped',
    )
  })

  it('makes no write when nothing changes', async () => {
    seedService()
    seedEndpoints()
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })
})

describe('the mirror of Endpoints', () => {
  const scenario: Scenario = {
    controllers: () => [endpointSliceMirroringController],
    compares: [endpoints, endpointSlices],
    async run(story) {
      const change = (edit: (object: Endpoints) => void): unknown => story.cluster.change(endpoints, key, edit)
      const addresses = ['10.0.0.1', 'fd00::1'].map((ip) => ({ ip }))
      const ports = [{ name: 'http', port: 80, protocol: 'TCP' }]
      story.cluster.seed(services, aService({ spec: { selector: {} } }))
      story.cluster.seed(endpoints, {
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: { ...key },
        subsets: [{ addresses, ports }],
      })
      await story.start()
      change((object) => void (object.subsets = [{ addresses, ports: [{ name: 'http', port: 81, protocol: 'TCP' }] }]))
      await story.settle()
      change((object) => void (object.subsets = [{ addresses: addresses.slice(0, 1), ports }]))
      for (let round = 0; round < 4; round++) await story.pass(2000)
    },
  }

  it('is the same wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('is the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4]))
})
