import { formatTime } from '@binnacle/apimachinery'
import { jobs } from '@binnacle/resources'
import { aJob } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expiryOf } from './plan.ts'
import { ttlAfterFinishedController } from './reconcile.ts'

const startMs = Date.UTC(2026, 0, 1)
const key = { namespace: 'default', name: 'work' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
  bench = new ControllerBench({ controllers: [ttlAfterFinishedController] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const finished = (ttlSecondsAfterFinished: number | undefined, type = 'Complete') => ({
  ...aJob({ spec: ttlSecondsAfterFinished === undefined ? {} : { ttlSecondsAfterFinished } }),
  status: { conditions: [{ type, status: 'True', lastTransitionTime: formatTime(startMs) }] },
})
const isThere = () => bench.cluster.all(jobs).some((job) => job.metadata.deletionTimestamp === undefined)

describe('expiryOf', () => {
  it.each([
    ['a job that is complete', finished(60), startMs + 60_000],
    ['a job that has failed', finished(0, 'Failed'), startMs],
    ['a job that is about to fail', finished(60, 'FailureTarget'), undefined],
    ['a job without a limit', finished(undefined), undefined],
    ['a job that runs', aJob({ spec: { ttlSecondsAfterFinished: 60 } }), undefined],
  ])('is known of %s', (_what, job, expected) => {
    expect(expiryOf(job)).toBe(expected)
  })
})

describe('ttlAfterFinishedController', () => {
  it('deletes a job when its time is over, its pods first', async () => {
    bench.cluster.seed(jobs, finished(60))
    await bench.start()
    await bench.pass(59_000)
    expect(isThere()).toBe(true)
    await bench.pass(1000)
    expect(bench.only(jobs).metadata).toMatchObject({
      deletionTimestamp: expect.any(String),
      finalizers: ['foregroundDeletion'],
    })
    const writes = bench.writesFromHere()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  it('follows a change of the limit', async () => {
    bench.cluster.seed(jobs, finished(60))
    await bench.start()
    bench.cluster.change(jobs, key, (job) => void Object.assign(job.spec ?? {}, { ttlSecondsAfterFinished: 600 }))
    await bench.pass(100_000)
    expect(isThere()).toBe(true)
    await bench.pass(500_000)
    expect(isThere()).toBe(false)
  })

  it('asks again before it deletes: its view may be old', async () => {
    await bench.stop()
    bench = new ControllerBench({ controllers: [ttlAfterFinishedController], holdWatches: true })
    bench.cluster.seed(jobs, finished(60))
    await bench.start()
    bench.cluster.change(jobs, key, (job) => void Object.assign(job.spec ?? {}, { ttlSecondsAfterFinished: 600 }))
    await bench.pass(100_000)
    expect(isThere()).toBe(true)
    await bench.pass(500_000)
    expect(isThere()).toBe(false)
  })
})
