import { nodes, type Pod, pods } from '@binnacle/resources'
import { aNode, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { podCollector } from './collect.ts'
import { excessTerminated } from './plan.ts'

let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [], runnables: [podCollector({ terminatedPodsMax: 1 })] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const names = (): string[] => bench.cluster.all(pods).map(({ metadata }) => metadata.name)
const deleting = (pod: Pod): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 },
})

describe('excessTerminated', () => {
  const ended = (name: string, creationTimestamp: string, reason?: string): Pod => {
    const pod = aPod({ name, phase: 'Failed' })
    return {
      ...pod,
      metadata: { ...pod.metadata, creationTimestamp },
      status: { phase: 'Failed', ...(reason === undefined ? {} : { reason }) },
    }
  }

  it('names evicted pods first, then the oldest', () => {
    const all = [ended('new', '2026-01-03'), ended('old', '2026-01-01'), ended('evicted', '2026-01-02', 'Evicted')]
    expect(excessTerminated([...all, aPod()], 1).map(({ metadata }) => metadata.name)).toEqual(['evicted', 'old'])
  })

  it('names none while there are few', () => {
    expect(excessTerminated([ended('a', '2026-01-01'), aPod()], 1)).toEqual([])
  })
})

describe('the pod collector', () => {
  it('deletes ended pods that are too many', async () => {
    for (const name of ['a', 'b', 'c']) bench.cluster.seed(pods, aPod({ name, phase: 'Succeeded' }))
    await bench.start()
    expect(names()).toEqual(['c'])
  })

  it('deletes the pods of a node that has been gone for 40 seconds, as failed', async () => {
    bench.cluster.seed(nodes, aNode())
    bench.cluster.seed(pods, aPod({ name: 'kept', nodeName: 'node-1', ready: true }))
    bench.cluster.seed(pods, aPod({ name: 'orphan', nodeName: 'gone', ready: true }))
    await bench.start()
    await bench.pass(20_000)
    expect(names()).toEqual(['kept', 'orphan'])
    let last: Pod | undefined
    bench.cluster.refuse((write) => {
      if (write.verb === 'delete') last = bench.cluster.all(pods).find(({ metadata }) => metadata.name === 'orphan')
      return undefined
    })
    await bench.pass(20_000)
    expect(names()).toEqual(['kept'])
    expect(last?.status?.phase).toBe('Failed')
    expect(last?.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: 'DisruptionTarget',
        reason: 'DeletionByPodGC',
        message: 'PodGC: node no longer exists',
      }),
    )
  })

  it('asks the server before it takes a node for gone', async () => {
    bench.cluster.seed(pods, aPod({ nodeName: 'late' }))
    await bench.start()
    vi.spyOn(bench.cluster, 'get').mockResolvedValue(aNode({ name: 'late' }) as never)
    await bench.pass(120_000)
    expect(names()).toEqual(['pod'])
  })

  it('deletes a pod that is being deleted and never came to a node', async () => {
    bench.cluster.seed(pods, deleting(aPod({ name: 'leaving' })))
    bench.cluster.seed(pods, aPod({ name: 'waiting' }))
    await bench.start()
    expect(names()).toEqual(['waiting'])
  })

  it.each([
    ['False', true, []],
    ['True', true, ['leaving']],
    ['False', false, ['leaving']],
  ])('with a node whose Ready is %s, out of service: %s, leaves %o', async (status, isOut, left) => {
    const taints = isOut ? [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] : []
    bench.cluster.seed(nodes, { ...aNode(), spec: { taints }, status: { conditions: [{ type: 'Ready', status }] } })
    bench.cluster.seed(pods, deleting(aPod({ name: 'leaving', nodeName: 'node-1' })))
    await bench.start()
    expect(names()).toEqual(left)
  })

  it('makes no write when nothing is amiss', async () => {
    bench.cluster.seed(nodes, aNode())
    bench.cluster.seed(pods, aPod({ nodeName: 'node-1', ready: true }))
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })
})
