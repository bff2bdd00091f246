import { type PodCondition, pods } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { msUntilStale, staleDisruptionController } from './reconcile.ts'

const nowMs = Date.UTC(2026, 0, 1)
const marked = (condition: Partial<PodCondition> = {}, phase = 'Running') => {
  const pod = aPod({ name: 'p', phase })
  const lastTransitionTime = new Date(nowMs - 60_000).toISOString()
  pod.status = {
    ...pod.status,
    conditions: [
      { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', lastTransitionTime, ...condition },
    ],
  }
  return pod
}

describe('msUntilStale', () => {
  it.each([
    ['a pod that was marked a minute ago', marked(), 60_000],
    ['a pod that was marked long ago', marked({ lastTransitionTime: '2025-01-01T00:00:00Z' }), 0],
    ['a pod that is not marked', aPod(), undefined],
    ['a condition that is False', marked({ status: 'False' }), undefined],
    ['a kubelet that takes its time', marked({ reason: 'TerminationByKubelet' }), undefined],
    ['a pod that has ended', marked({}, 'Failed'), undefined],
  ])('of %s', (_name, pod, expected) => {
    expect(msUntilStale(pod, nowMs)).toBe(expected)
  })
})

describe('staleDisruptionController', () => {
  let bench: ControllerBench
  beforeEach(() => {
    vi.useFakeTimers({ now: nowMs })
    bench = new ControllerBench({ controllers: [staleDisruptionController] })
  })
  afterEach(async () => {
    await bench.stop()
    vi.useRealTimers()
  })

  it('takes the condition back after two minutes, once', async () => {
    bench.cluster.seed(pods, marked())
    await bench.start()
    expect(bench.only(pods).status?.conditions?.[0]?.status).toBe('True')
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(bench.only(pods).status?.conditions).toEqual([
      { type: 'DisruptionTarget', status: 'False', lastTransitionTime: '2026-01-01T00:01:00Z' },
    ])
    expect(writes()).toEqual(['update pods default/p status'])
  })

  it('leaves pods alone that are being deleted', async () => {
    const pod = marked()
    pod.metadata.deletionTimestamp = '2026-01-01T00:10:00Z'
    bench.cluster.seed(pods, pod)
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })
})

describe('pods that were marked and not deleted', () => {
  const scenario: Scenario = {
    controllers: () => [staleDisruptionController],
    compares: [pods],
    async run(story) {
      for (const name of ['a', 'b']) {
        const pod = marked()
        story.cluster.seed(pods, { ...pod, metadata: { ...pod.metadata, name } })
      }
      await story.start()
      await story.pass(300_000)
    },
  }

  it('end the same wherever the controller is killed', () => expectSameEndWhereverKilled(scenario))
  it('end the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
})
