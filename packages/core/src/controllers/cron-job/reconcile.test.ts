import { formatTime } from '@binnacle/apimachinery'
import { cronJobs, type CronJobSpec, events, type Job, jobs } from '@binnacle/resources'
import { aCronJob, aJob } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { cronJobController } from './reconcile.ts'

const startMs = Date.UTC(2026, 0, 1)
const hourMs = 3_600_000
const key = { namespace: 'default', name: 'report' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
  bench = new ControllerBench({ controllers: () => [cronJobController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const names = () => bench.cluster.all(jobs).map((job) => job.metadata.name)
const nameAt = (hour: number) => `report-${(startMs + hour * hourMs) / 60_000}`
const status = () => bench.only(cronJobs).status
const activeNames = () => (status()?.active ?? []).map(({ name }) => name)
const messagesOf = (reason: string) =>
  bench.cluster
    .all(events)
    .filter((event) => event.reason === reason)
    .map((event) => event.message)

async function start(spec: Partial<CronJobSpec> = {}): Promise<void> {
  bench.cluster.seed(cronJobs, aCronJob({ spec }))
  await bench.start()
}

// Up to a second after a full hour since the start.
async function passTo(hour: number): Promise<void> {
  await bench.pass(startMs + hour * hourMs + 1000 - Date.now())
}

function endJob(cluster: ControllerBench['cluster'], name: string, type: 'Complete' | 'Failed'): void {
  const time = formatTime(Date.now())
  cluster.change(jobs, { namespace: 'default', name }, (job) => {
    job.status = {
      startTime: time,
      ...(type === 'Complete' ? { completionTime: time } : {}),
      conditions: [{ type, status: 'True', lastTransitionTime: time }],
    }
  })
}

async function end(name: string, type: 'Complete' | 'Failed' = 'Complete'): Promise<void> {
  endJob(bench.cluster, name, type)
  await bench.settle()
}

describe('cronJobController', () => {
  it('says nothing of the schedule of a CronJob that is suspended', async () => {
    await start({ schedule: 'TZ=Europe/Berlin 0 * * * *', suspend: true })
    expect(messagesOf('UnsupportedSchedule')).toEqual([])
    bench.cluster.change(cronJobs, key, (cronJob) => {
      cronJob.spec.suspend = false
    })
    await bench.settle()
    expect(messagesOf('UnsupportedSchedule')).toHaveLength(1)
  })

  it('starts a job at each time, named after the minute', async () => {
    await start({ jobTemplate: { metadata: { labels: { a: 'b' } } as never, spec: aCronJob().spec.jobTemplate.spec! } })
    expect(names()).toEqual([])
    await passTo(1)
    expect(names()).toEqual([nameAt(1)])
    const [job] = bench.cluster.all(jobs)
    expect(job?.metadata).toMatchObject({
      labels: { a: 'b' },
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T01:00:00Z' },
      ownerReferences: [{ kind: 'CronJob', name: 'report', controller: true, blockOwnerDeletion: true }],
    })
    expect(status()).toEqual({
      lastScheduleTime: '2026-01-01T01:00:00Z',
      active: [
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          name: nameAt(1),
          namespace: 'default',
          uid: job?.metadata.uid,
          resourceVersion: expect.any(String),
        },
      ],
    })
    expect(messagesOf('SuccessfulCreate')).toEqual([`Created job ${nameAt(1)}`])
    await passTo(2)
    expect(names()).toEqual([nameAt(1), nameAt(2)])
    await end(nameAt(1))
    expect(activeNames()).toEqual([nameAt(2)])
    expect(status()?.lastSuccessfulTime).toBe(formatTime(Date.now() - 100))
    expect(messagesOf('SawCompletedJob')).toEqual([`Saw completed job: ${nameAt(1)}, condition: Complete`])
  })

  it('does nothing on the second pass', async () => {
    await start()
    await passTo(1)
    const writes = bench.writesFromHere()
    await bench.stop()
    await bench.start()
    await bench.pass(3_000_000)
    expect(writes()).toEqual([])
  })

  it('says the time in its time zone', async () => {
    await start({ schedule: '0 10 * * *', timeZone: 'Asia/Tokyo' })
    await passTo(1)
    expect(bench.only(jobs).metadata.annotations).toMatchObject({
      'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T10:00:00+09:00',
    })
  })

  it('starts no second job while one runs, where that is forbidden', async () => {
    await start({ concurrencyPolicy: 'Forbid' })
    await passTo(1)
    await passTo(2)
    expect(names()).toEqual([nameAt(1)])
    expect(messagesOf('JobAlreadyActive')).toEqual([
      'Not starting job because prior execution is running and concurrency policy is Forbid',
    ])
    // Late, but not too late: nothing says until when.
    await end(nameAt(1))
    expect(names()).toEqual([nameAt(1), nameAt(2)])
  })

  it('replaces the job that runs, where that is asked for', async () => {
    await start({ concurrencyPolicy: 'Replace' })
    await passTo(1)
    await passTo(2)
    expect(names()).toEqual([nameAt(2)])
    expect(activeNames()).toEqual([nameAt(2)])
    expect(messagesOf('SuccessfulDelete')).toEqual([`Deleted job ${nameAt(1)}`])
  })

  it('starts nothing while it is suspended, and the latest that was missed when it is not any more', async () => {
    await start({ suspend: true })
    await passTo(5)
    expect(names()).toEqual([])
    bench.cluster.change(cronJobs, key, (cronJob) => void (cronJob.spec.suspend = false))
    await bench.settle()
    expect(names()).toEqual([nameAt(5)])
  })

  it('keeps as many ended jobs as its limits say', async () => {
    await start({ successfulJobsHistoryLimit: 2, failedJobsHistoryLimit: 0 })
    for (let hour = 1; hour <= 5; hour++) {
      await passTo(hour)
      await end(nameAt(hour), hour === 4 ? 'Failed' : 'Complete')
    }
    expect(names()).toEqual([nameAt(3), nameAt(5)])
    expect(status()?.active).toBeUndefined()
  })

  it('runs once after it has missed many times, and says so', async () => {
    await start({ schedule: '* * * * *' })
    await bench.stop()
    vi.setSystemTime(startMs + 5 * hourMs)
    await bench.start()
    expect(names()).toEqual([nameAt(5)])
    expect(messagesOf('TooManyMissedTimes')).toEqual([
      'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
    ])
  })

  it('leaves out what is past its deadline', async () => {
    await start({ startingDeadlineSeconds: 60 })
    await bench.stop()
    vi.setSystemTime(startMs + hourMs + 90_000)
    await bench.start()
    expect(names()).toEqual([])
    await passTo(2)
    expect(names()).toEqual([nameAt(2)])
  })

  it('applies another schedule to the future only', async () => {
    await start({ schedule: '0 12 * * *' })
    await passTo(8)
    bench.cluster.change(cronJobs, key, (cronJob) => void (cronJob.spec.schedule = '0 7 * * *'))
    await bench.settle()
    await passTo(12)
    expect(names()).toEqual([])
    await passTo(24 + 7)
    expect(names()).toEqual([nameAt(24 + 7)])
  })

  it('notices jobs that are gone, and jobs that it did not make', async () => {
    await start()
    await passTo(1)
    bench.cluster.remove(jobs, { namespace: 'default', name: nameAt(1) })
    const owner = bench.only(cronJobs).metadata
    const ownerReferences = [
      { apiVersion: 'batch/v1', kind: 'CronJob', name: owner.name, uid: owner.uid ?? '', controller: true },
    ]
    bench.cluster.seed(jobs, aJob({ name: 'by-hand', ownerReferences }))
    await bench.settle()
    expect(messagesOf('MissingJob')).toEqual([`Active job went missing: ${nameAt(1)}`])
    expect(messagesOf('UnexpectedJob')).toEqual(['Saw a job that the controller did not create or forgot: by-hand'])
    expect(status()?.active).toBeUndefined()
  })

  it('remembers a job that it made without writing it down, however long ago', async () => {
    const made = bench.cluster.seed(cronJobs, aCronJob({ spec: { concurrencyPolicy: 'Forbid' } })).metadata
    const forgotten = aJob({
      name: nameAt(1),
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T01:00:00Z' },
      ownerReferences: [
        { apiVersion: 'batch/v1', kind: 'CronJob', name: made.name, uid: made.uid ?? '', controller: true },
      ],
    })
    bench.cluster.seed(jobs, forgotten)
    vi.setSystemTime(startMs + 3 * hourMs)
    await bench.start()
    expect(names()).toEqual([nameAt(1)])
    expect(status()).toMatchObject({ lastScheduleTime: '2026-01-01T01:00:00Z', active: [{ name: nameAt(1) }] })
    expect(messagesOf('JobAlreadyActive')).toHaveLength(1)
  })

  it('says what is wrong with what it cannot follow', async () => {
    await start({ schedule: '59 23 31 2 *' })
    expect(messagesOf('InvalidSchedule')).toEqual([
      'invalid schedule: 59 23 31 2 * : time difference between two schedules is less than 1 second',
    ])
    bench.cluster.change(cronJobs, key, (cronJob) => void (cronJob.spec.timeZone = 'Mars/Phobos'))
    await bench.settle()
    expect(messagesOf('UnknownTimeZone')).toHaveLength(1)
  })

  const story = (spec: Partial<CronJobSpec>): Scenario => {
    const made = new Set<string>()
    let seen = 0
    return {
      controllers: () => [cronJobController()],
      compares: [cronJobs, jobs],
      ignores: ['completionTime', 'lastSuccessfulTime', 'controller-uid', 'batch.kubernetes.io/controller-uid'],
      onStep(cluster) {
        const writes = cluster.writes.slice(seen)
        seen += writes.length
        for (const { verb, resource, key: written } of writes) {
          if (verb !== 'create' || resource !== jobs.storageName) continue
          if (made.has(written)) throw new Error(`${written} runs twice`)
          made.add(written)
        }
      },
      async run(at) {
        made.clear()
        seen = 0
        at.cluster.seed(cronJobs, aCronJob({ spec }))
        await at.start()
        for (let hour = 1; hour <= 4; hour++) {
          await at.pass(startMs + hour * hourMs + 1000 - Date.now())
          const running = at.cluster.all(jobs).filter((job: Job) => job.status?.conditions === undefined)
          if (hour !== 2) for (const job of running) endJob(at.cluster, job.metadata.name, 'Complete')
          await at.settle()
        }
      },
    }
  }

  it.each([
    { successfulJobsHistoryLimit: 0 },
    { successfulJobsHistoryLimit: 1, concurrencyPolicy: 'Forbid' },
    { concurrencyPolicy: 'Replace' },
  ])('misses no run and doubles none wherever it is killed, with %j', (spec) =>
    expectSameEndWhereverKilled(story(spec)),
  )

  it('misses no run and doubles none on stale views', () =>
    expectSameEndOnStaleViews(story({ successfulJobsHistoryLimit: 1 }), [1, 2, 3, 4, 5]))
})
