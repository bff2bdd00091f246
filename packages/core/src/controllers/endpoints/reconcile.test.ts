import { type Endpoints, endpoints, pods, services } from '@binnacle/resources'
import { aPod, aService } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { planSubsets } from './plan.ts'
import { endpointsController } from './reconcile.ts'

const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: () => [endpointsController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const only = (): Endpoints => bench.only(endpoints)
const webPod = (index: number, ready: boolean) =>
  aPod({
    name: `p${index}`,
    labels: { app: 'web' },
    ready,
    podIP: `10.${Math.floor(index / 62_500)}.${Math.floor(index / 250) % 250}.${(index % 250) + 1}`,
  })

describe('planSubsets', () => {
  it.each([
    [1200, 0, [1000, 0]],
    [900, 300, [900, 100]],
    [500, 400, [500, 400]],
  ])('of %i ready and %i other pods keeps %o', (ready, other, kept) => {
    const all = Array.from({ length: ready + other }, (_, index) => webPod(index, index < ready))
    const { subsets, truncated } = planSubsets(aService(), all)
    const [subset] = subsets
    expect([subset?.addresses?.length ?? 0, subset?.notReadyAddresses?.length ?? 0]).toEqual(kept)
    expect(truncated).toBe(ready + other > 1000)
  })

  it("takes the address of the Service's first family", () => {
    const pod = webPod(1, true)
    pod.status = { ...pod.status, podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] }
    const { subsets } = planSubsets(aService({ spec: { ipFamilies: ['IPv6', 'IPv4'] } }), [pod])
    expect(subsets[0]?.addresses?.map(({ ip }) => ip)).toEqual(['fd00::1'])
  })
})

describe('the endpoints controller', () => {
  it('publishes ready pods, and the others apart from them', async () => {
    bench.cluster.seed(services, aService())
    for (const index of [1, 2]) bench.cluster.seed(pods, webPod(index, index === 1))
    await bench.start()
    expect(only().subsets).toEqual([
      {
        addresses: [expect.objectContaining({ ip: '10.0.0.2' })],
        notReadyAddresses: [expect.objectContaining({ ip: '10.0.0.3' })],
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      },
    ])
    expect(only().metadata.labels).toEqual({ 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' })
  })

  it('leaves out a pod that is being deleted', async () => {
    bench.cluster.seed(services, aService())
    bench.cluster.seed(pods, { ...webPod(1, true), spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] } })
    await bench.start()
    await bench.cluster.delete(pods, { ...key, name: 'p1' })
    await bench.settle()
    expect(only().subsets).toEqual([])
  })

  it('says when there are too many, and which change it follows', async () => {
    bench.cluster.seed(services, aService())
    for (let index = 0; index < 1001; index++) bench.cluster.seed(pods, webPod(index, true))
    await bench.start()
    expect(only().metadata.annotations).toEqual({
      'endpoints.kubernetes.io/over-capacity': 'truncated',
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
    })
    bench.cluster.remove(pods, { ...key, name: 'p0' })
    await bench.settle()
    expect(only().metadata.annotations).toBeUndefined()
  })

  it('goes with its Service', async () => {
    bench.cluster.seed(services, aService())
    await bench.start()
    bench.cluster.remove(services, key)
    await bench.settle()
    expect(bench.cluster.all(endpoints)).toEqual([])
  })

  it('makes no write when nothing changes', async () => {
    bench.cluster.seed(services, aService())
    bench.cluster.seed(pods, webPod(1, true))
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })
})

describe('the Endpoints of a Service', () => {
  const scenario: Scenario = {
    controllers: () => [endpointsController()],
    compares: [endpoints],
    ignores: ['annotations'],
    async run(story) {
      story.cluster.seed(services, aService())
      story.cluster.seed(services, aService({ name: 'short-lived' }))
      for (let index = 0; index < 3; index++) story.cluster.seed(pods, webPod(index, true))
      await story.start()
      story.cluster.remove(pods, { namespace: 'default', name: 'p0' })
      story.cluster.seed(pods, webPod(3, false))
      await story.settle()
      story.cluster.change(services, key, (service) => {
        service.spec = { ...service.spec, ports: [{ name: 'http', port: 80, targetPort: 9090, protocol: 'TCP' }] }
      })
      story.cluster.remove(services, { namespace: 'default', name: 'short-lived' })
      await story.settle()
    },
  }

  it('are the same wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('are the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4]))
})
