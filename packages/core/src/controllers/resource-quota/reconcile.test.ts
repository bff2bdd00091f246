import { conflict } from '@binnacle/apimachinery'
import { builtInRegistry, pods, type ResourceQuota, resourceQuotas, services } from '@binnacle/resources'
import { aPod, aService } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { resourceQuotaController } from './reconcile.ts'

const key = { namespace: 'default', name: 'q' }
const aQuota = (hard: Record<string, string>): ResourceQuota => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'q', namespace: 'default' },
  spec: { hard },
})
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [resourceQuotaController(builtInRegistry())] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const used = () => bench.only(resourceQuotas).status?.used
const seedPods = (count: number) => {
  for (let i = 0; i < count; i++) bench.cluster.seed(pods, aPod({ name: `p${i}` }))
}

describe('resourceQuotaController', () => {
  it('counts what is there when a quota is new', async () => {
    seedPods(3)
    bench.cluster.seed(pods, aPod({ name: 'elsewhere', namespace: 'other' }))
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10' }))
    await bench.start()
    expect(bench.only(resourceQuotas).status).toEqual({ hard: { pods: '10' }, used: { pods: '3' } })
  })

  it('frees what is deleted and what has ended', async () => {
    seedPods(3)
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10', 'count/pods': '10' }))
    await bench.start()
    bench.cluster.remove(pods, { namespace: 'default', name: 'p0' })
    bench.cluster.change(pods, { namespace: 'default', name: 'p1' }, (pod) => void (pod.status = { phase: 'Failed' }))
    await bench.settle()
    expect(used()).toEqual({ pods: '1', 'count/pods': '2' })
  })

  it('follows a Service that changes its type', async () => {
    bench.cluster.seed(services, aService())
    bench.cluster.seed(resourceQuotas, aQuota({ 'services.nodeports': '5' }))
    await bench.start()
    bench.cluster.change(services, { namespace: 'default', name: 'web' }, (service) => {
      service.spec = { ...service.spec, type: 'NodePort' }
    })
    await bench.settle()
    expect(used()).toEqual({ 'services.nodeports': '1' })
  })

  it('takes over new limits', async () => {
    seedPods(1)
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10' }))
    await bench.start()
    bench.cluster.change(resourceQuotas, key, (quota) => void (quota.spec = { hard: { 'count/pods': '4' } }))
    await bench.settle()
    expect(bench.only(resourceQuotas).status).toEqual({ hard: { 'count/pods': '4' }, used: { 'count/pods': '1' } })
  })

  it('leaves the charges of the API server alone until everything is counted again', async () => {
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10' }))
    await bench.start()
    // A charge whose pod this process has not seen yet.
    bench.cluster.change(resourceQuotas, key, (quota) => void (quota.status = { ...quota.status, used: { pods: '1' } }))
    await bench.settle()
    expect(used()).toEqual({ pods: '1' })
    await bench.pass(301_000)
    expect(used()).toEqual({ pods: '0' })
  })

  it('counts again when the quota was charged while it counted', async () => {
    seedPods(2)
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10' }))
    let charges = 0
    bench.cluster.refuse((write) => {
      if (write.resource !== 'resourcequotas' || charges++ > 0) return undefined
      bench.cluster.seed(pods, aPod({ name: 'new' }))
      return conflict(resourceQuotas, 'q')
    })
    await bench.start()
    expect(used()).toEqual({ pods: '3' })
  })

  it('counts a new quota again soon: what came while no API server knew its limits was not charged', async () => {
    seedPods(2)
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10' }))
    const list = bench.cluster.list.bind(bench.cluster)
    vi.spyOn(bench.cluster, 'list').mockImplementation(async (resource, options) => {
      const found = await list(resource, options)
      const isCounting = resource.kind === 'Pod' && options?.namespace === 'default'
      if (isCounting && used() === undefined) bench.cluster.seed(pods, aPod({ name: 'late' }))
      return found
    })
    await bench.start()
    await bench.pass(10_000)
    expect(used()).toEqual({ pods: '3' })
  })

  it('forgets pods whose node is lost once their time is over', async () => {
    seedPods(1)
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10' }))
    await bench.start()
    bench.cluster.change(pods, { namespace: 'default', name: 'p0' }, ({ metadata }) => {
      metadata.deletionTimestamp = '2026-01-01T00:00:30Z'
      metadata.deletionGracePeriodSeconds = 30
    })
    await bench.settle()
    expect(used()).toEqual({ pods: '1' })
    await bench.pass(306_000)
    expect(used()).toEqual({ pods: '0' })
  })

  it('writes nothing at rest', async () => {
    seedPods(3)
    bench.cluster.seed(resourceQuotas, aQuota({ pods: '10', cpu: '1' }))
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(3_600_000)
    expect(writes()).toEqual([])
  })
})
