import { controllerOf, formatTime, StatusError } from '@binnacle/apimachinery'
import { events, type Job, type JobSpec, jobs, type Pod, pods } from '@binnacle/resources'
import { aJob, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { activePods, endPod, startPods, stopDeletedPods } from './job-bench.ts'
import { completionIndexKey, indexFailuresKey, indexIgnoredFailuresKey, trackingFinalizer } from './job-pods.ts'
import { jobOrphanPodController } from './orphan-pods.ts'
import { jobController } from './reconcile.ts'

const startMs = Date.UTC(2026, 0, 1)
const key = { namespace: 'default', name: 'work' }
const controllers = () => [jobController(), jobOrphanPodController]
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
  bench = new ControllerBench({ controllers })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const job = (): Job => bench.only(jobs)
const conditions = () => (job().status?.conditions ?? []).map(({ type, status }) => `${type}=${status}`)
const reasons = () => bench.cluster.all(events).map((event) => event.reason)
const messagesOf = (reason: string) =>
  bench.cluster
    .all(events)
    .filter((event) => event.reason === reason)
    .map((event) => event.message)
const active = (): Pod[] => activePods(bench.cluster)
const indexOf = (pod: Pod) => pod.metadata.annotations?.[completionIndexKey]

async function start(spec: Partial<JobSpec> = {}): Promise<void> {
  bench.cluster.seed(jobs, aJob({ spec }))
  await bench.start()
  startPods(bench.cluster)
  await bench.settle()
}

async function change(spec: Partial<JobSpec>): Promise<void> {
  bench.cluster.change(jobs, key, (changed) => void (changed.spec = { ...changed.spec, ...spec } as JobSpec))
  await bench.settle()
}

async function end(pod: Pod | undefined, exitCode = 0): Promise<void> {
  if (pod === undefined) throw new Error('no such pod')
  endPod(bench.cluster, pod, { exitCode })
  await bench.settle()
}

// Lets time go by in which a back-off ends, and the pods that follow run.
async function pass(seconds: number): Promise<void> {
  await bench.pass(seconds * 1000)
  startPods(bench.cluster)
  await bench.settle()
}

async function stopDeleted(): Promise<void> {
  for (let round = 0; round < 2; round++) {
    stopDeletedPods(bench.cluster)
    await bench.settle()
  }
}

describe('jobController', () => {
  it('runs as many pods as may run at once, until enough have succeeded', async () => {
    await start({ completions: 3, parallelism: 2 })
    expect(active()).toHaveLength(2)
    expect(active().every((pod) => controllerOf(pod)?.uid === job().metadata.uid)).toBe(true)
    expect(active().every((pod) => pod.metadata.finalizers?.includes(trackingFinalizer))).toBe(true)
    expect(job().status).toEqual({
      startTime: formatTime(startMs),
      active: 2,
      ready: 2,
      terminating: 0,
      uncountedTerminatedPods: {},
    })
    await end(active()[0])
    startPods(bench.cluster)
    await end(active()[0])
    expect(job().status).toMatchObject({ active: 1, succeeded: 2 })
    await bench.pass(1000)
    await end(active()[0])
    const time = job().status?.completionTime
    const reached = {
      status: 'True',
      lastProbeTime: time,
      lastTransitionTime: time,
      reason: 'CompletionsReached',
      message: 'Reached expected number of succeeded pods',
    }
    expect(job().status).toEqual({
      startTime: formatTime(startMs),
      completionTime: time,
      succeeded: 3,
      ready: 0,
      terminating: 0,
      uncountedTerminatedPods: {},
      conditions: [
        { type: 'SuccessCriteriaMet', ...reached },
        { type: 'Complete', ...reached },
      ],
    })
    expect(bench.cluster.all(pods).some((pod) => pod.metadata.finalizers !== undefined)).toBe(false)
    expect(messagesOf('Completed')).toEqual(['Job completed'])
    expect(reasons().filter((reason) => reason === 'SuccessfulCreate')).toHaveLength(3)
  })

  it('does nothing on the second pass', async () => {
    await start({ completions: 3, parallelism: 2, completionMode: 'Indexed' })
    const writes = bench.writesFromHere()
    await bench.stop()
    await bench.start()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  it('has as many pods as may run at once where no completions are asked for, and waits for all once one succeeded', async () => {
    await start({ parallelism: 3 })
    await end(active()[0])
    expect(active()).toHaveLength(2)
    await end(active()[0])
    expect(conditions()).toEqual([])
    await end(active()[0])
    expect(conditions()).toEqual(['SuccessCriteriaMet=True', 'Complete=True'])
    expect(job().status?.succeeded).toBe(3)
  })

  it('gives each pod of an Indexed job its index', async () => {
    await start({ completions: 3, parallelism: 3, completionMode: 'Indexed' })
    expect(active().map(indexOf)).toEqual(['0', '1', '2'])
    const [, pod] = active()
    expect(pod?.metadata.name).toMatch(/^work-1-[a-z0-9]{5}$/)
    expect(pod?.metadata.labels?.[completionIndexKey]).toBe('1')
    expect(pod?.spec?.hostname).toBe('work-1')
    expect(pod?.spec?.containers[0]?.env).toEqual([
      {
        name: 'JOB_COMPLETION_INDEX',
        valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${completionIndexKey}']` } },
      },
    ])
    await end(active()[1])
    expect(job().status?.completedIndexes).toBe('1')
    await end(active()[0])
    await end(active()[0])
    expect(job().status).toMatchObject({ completedIndexes: '0-2', succeeded: 3 })
    expect(conditions()).toEqual(['SuccessCriteriaMet=True', 'Complete=True'])
  })

  it('takes a failed index up again', async () => {
    await start({ completions: 3, parallelism: 2, completionMode: 'Indexed' })
    await end(active()[0], 1)
    expect(active().map(indexOf)).toEqual(['1'])
    await pass(10)
    expect(active().map(indexOf)).toEqual(['0', '1'])
    expect(job().status?.failed).toBe(1)
  })

  it('takes away doubled indexes and those that do not exist', async () => {
    await start({ completions: 2, parallelism: 2, completionMode: 'Indexed' })
    const [first] = active()
    const copy = (name: string, index: string): Pod => ({
      ...structuredClone(first as Pod),
      metadata: {
        ...structuredClone((first as Pod).metadata),
        name,
        uid: `uid-of-${name}`,
        annotations: { [completionIndexKey]: index },
      },
    })
    bench.cluster.seed(pods, copy('doubled', '0'))
    bench.cluster.seed(pods, copy('beyond', '7'))
    await bench.settle()
    expect(active().map(indexOf)).toEqual(['0', '1'])
  })

  it('waits longer after each failure, and no more after a success', async () => {
    await start({ completions: 2, backoffLimit: 9 })
    for (const seconds of [10, 20, 40]) {
      await end(active()[0], 1)
      expect(active()).toHaveLength(0)
      // Times in a pod's status are whole seconds.
      await pass(seconds - 2)
      expect(active()).toHaveLength(0)
      await pass(2)
      expect(active()).toHaveLength(1)
    }
    await bench.pass(1000)
    await end(active()[0])
    expect(active()).toHaveLength(1)
    expect(job().status).toMatchObject({ failed: 3, succeeded: 1 })
  })

  it('fails beyond its back-off limit', async () => {
    await start({ backoffLimit: 1, parallelism: 2, completions: 2 })
    await end(active()[0], 1)
    await pass(10)
    await end(active()[0], 1)
    expect(conditions()).toEqual(['FailureTarget=True'])
    expect(job().status).toMatchObject({ failed: 3, terminating: 1, ready: 0 })
    await stopDeleted()
    expect(job().status?.conditions).toMatchObject([
      { type: 'FailureTarget', reason: 'BackoffLimitExceeded' },
      { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' },
    ])
    expect(job().status?.completionTime).toBeUndefined()
    expect(messagesOf('BackoffLimitExceeded')).toEqual(['Job has reached the specified backoff limit'])
    expect(messagesOf('SuccessfulDelete')).toHaveLength(1)
  })

  it('counts restarts where pods restart in place', async () => {
    const template = { ...aJob().spec?.template, spec: { ...aJob().spec?.template.spec, restartPolicy: 'OnFailure' } }
    await start({ backoffLimit: 3, template: template as JobSpec['template'] })
    const restart = async (restartCount: number): Promise<void> => {
      bench.cluster.change(pods, { namespace: 'default', name: active()[0]?.metadata.name ?? '' }, (pod) => {
        pod.status = { ...pod.status, containerStatuses: [{ name: 'app', restartCount } as never] }
      })
      await bench.settle()
    }
    await restart(2)
    expect(conditions()).toEqual([])
    await restart(3)
    expect(conditions()).toEqual(['FailureTarget=True'])
  })

  it('fails at its deadline', async () => {
    await start({ activeDeadlineSeconds: 60 })
    await bench.pass(59_000)
    expect(conditions()).toEqual([])
    await bench.pass(1000)
    await stopDeleted()
    expect(job().status?.conditions?.at(-1)).toMatchObject({
      type: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    })
  })

  describe('with a limit per index', () => {
    const spec = { completions: 3, parallelism: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1 }

    it('counts the failures of each index in its pods', async () => {
      await start(spec)
      expect(active().map((pod) => pod.metadata.annotations?.[indexFailuresKey])).toEqual(['0', '0', '0'])
      const failedPod = active()[1] as Pod
      await end(failedPod, 1)
      // It keeps its finalizer until there is a pod to take the count over.
      expect(job().status).toEqual(expect.objectContaining({ active: 2, failedIndexes: '' }))
      expect(job().status?.failed).toBeUndefined()
      await pass(10)
      expect(active().map((pod) => pod.metadata.annotations?.[indexFailuresKey])).toEqual(['0', '1', '0'])
      expect(job().status).toMatchObject({ failed: 1, failedIndexes: '' })
    })

    it('gives an index up that fails too often, goes on with the others, and fails in the end', async () => {
      await start(spec)
      await end(active()[1], 1)
      await pass(10)
      await end(active()[1], 1)
      expect(job().status).toMatchObject({ failed: 2, failedIndexes: '1' })
      await pass(100)
      expect(active().map(indexOf)).toEqual(['0', '2'])
      await end(active()[0])
      await end(active()[0])
      expect(job().status).toMatchObject({ completedIndexes: '0,2', failedIndexes: '1', succeeded: 2, failed: 2 })
      expect(job().status?.conditions).toMatchObject([
        { type: 'FailureTarget' },
        { type: 'Failed', reason: 'FailedIndexes', message: 'Job has failed indexes' },
      ])
    })

    it('fails at once when more indexes failed than may', async () => {
      await start({ ...spec, backoffLimitPerIndex: 0, maxFailedIndexes: 1 })
      await end(active()[0], 1)
      expect(conditions()).toEqual([])
      await end(active()[0], 1)
      await stopDeleted()
      expect(job().status?.conditions?.at(-1)).toMatchObject({ type: 'Failed', reason: 'MaxFailedIndexesExceeded' })
      expect(messagesOf('MaxFailedIndexesExceeded')).toEqual([
        'Job has exceeded the specified maximal number of failed indexes',
      ])
    })

    it('gives an index up at once, or counts a failure apart, as the pod failure policy says', async () => {
      const rules = [
        { action: 'FailIndex', onExitCodes: { operator: 'In', values: [3] } },
        { action: 'Ignore', onExitCodes: { operator: 'In', values: [4] } },
      ]
      await start({ ...spec, podFailurePolicy: { rules } })
      await end(active()[0], 3)
      expect(job().status?.failedIndexes).toBe('0')
      await end(active()[0], 4)
      await pass(10)
      const [replacement] = active()
      expect(indexOf(replacement as Pod)).toBe('1')
      expect(replacement?.metadata.annotations).toMatchObject({
        [indexFailuresKey]: '0',
        [indexIgnoredFailuresKey]: '1',
      })
      expect(job().status?.failed).toBe(1)
    })
  })

  describe('with a pod failure policy', () => {
    it('fails at once on FailJob', async () => {
      const rules = [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }]
      await start({ podFailurePolicy: { rules }, completions: 2, parallelism: 2 })
      const [pod] = active()
      await end(pod, 42)
      const message = `Container app for pod default/${pod?.metadata.name} failed with exit code 42 matching FailJob rule at index 0`
      expect(job().status?.conditions).toMatchObject([{ type: 'FailureTarget', reason: 'PodFailurePolicy', message }])
      await stopDeleted()
      expect(job().status?.conditions?.[1]).toMatchObject({ type: 'Failed', reason: 'PodFailurePolicy', message })
      expect(messagesOf('PodFailurePolicy')).toEqual([message])
    })

    it('does not count a disruption that is ignored', async () => {
      const rules = [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }]
      await start({ podFailurePolicy: { rules }, backoffLimit: 0 })
      const disrupted = { exitCode: 143, conditions: [{ type: 'DisruptionTarget', status: 'True' }] }
      endPod(bench.cluster, active()[0] as Pod, disrupted)
      await pass(10)
      expect(active()).toHaveLength(1)
      expect(job().status?.failed).toBeUndefined()
      expect(conditions()).toEqual([])
      expect(bench.cluster.all(pods).filter((pod) => pod.metadata.finalizers !== undefined)).toHaveLength(1)
    })
  })

  describe('with a success policy', () => {
    it.each([
      [{ rules: [{ succeededIndexes: '0,2' }] }, [0, 2], 0],
      [{ rules: [{ succeededIndexes: '7' }, { succeededCount: 2 }] }, [1, 3], 1],
      [{ rules: [{ succeededIndexes: '1-3', succeededCount: 2 }] }, [0, 1, 3], 0],
    ])('is complete by %j', async (successPolicy, succeeding, rule) => {
      await start({ completions: 8, parallelism: 8, completionMode: 'Indexed', successPolicy })
      for (const index of succeeding) {
        expect(conditions()).toEqual([])
        await end(active().find((pod) => indexOf(pod) === `${index}`))
      }
      const message = `Matched rules at index ${rule}`
      expect(job().status?.conditions).toMatchObject([{ type: 'SuccessCriteriaMet', reason: 'SuccessPolicy', message }])
      await stopDeleted()
      expect(job().status?.conditions?.[1]).toMatchObject({ type: 'Complete', reason: 'SuccessPolicy', message })
      expect(job().status?.succeeded).toBe(succeeding.length)
      expect(active()).toHaveLength(0)
    })
  })

  describe('suspended', () => {
    it('takes its pods away without counting them, and begins anew when it is resumed', async () => {
      await start({ completions: 2, parallelism: 2, activeDeadlineSeconds: 100 })
      await bench.pass(50_000)
      await change({ suspend: true })
      expect(job().status).toEqual({
        ready: 0,
        terminating: 2,
        uncountedTerminatedPods: {},
        conditions: [
          {
            type: 'Suspended',
            status: 'True',
            lastProbeTime: formatTime(startMs + 50_000),
            lastTransitionTime: expect.any(String),
            reason: 'JobSuspended',
            message: 'Job suspended',
          },
        ],
      })
      await stopDeleted()
      expect(bench.cluster.all(pods)).toEqual([])
      await bench.pass(500_000)
      const resumedMs = Date.now()
      await change({ suspend: false })
      expect(job().status).toMatchObject({ active: 2, startTime: formatTime(resumedMs) })
      expect(job().status?.failed).toBeUndefined()
      expect(job().status?.conditions).toMatchObject([{ type: 'Suspended', status: 'False', reason: 'JobResumed' }])
      expect([messagesOf('Suspended'), messagesOf('Resumed')]).toEqual([['Job suspended'], ['Job resumed']])
      await bench.pass(101_000)
      expect(conditions()).toContain('FailureTarget=True')
    })

    it('creates nothing from the beginning', async () => {
      await start({ suspend: true })
      expect(bench.cluster.all(pods)).toEqual([])
      expect(job().status?.startTime).toBeUndefined()
      expect(conditions()).toEqual(['Suspended=True'])
    })
  })

  describe('when a pod is deleted', () => {
    const deleteFirst = async (): Promise<void> => {
      await bench.cluster.delete(pods, { namespace: 'default', name: active()[0]?.metadata.name ?? '' })
      await bench.settle()
    }

    it('counts it as failed and replaces it at once', async () => {
      await start({ podReplacementPolicy: 'TerminatingOrFailed' })
      await deleteFirst()
      await pass(10)
      expect(active()).toHaveLength(1)
      expect(job().status).toMatchObject({ active: 1, terminating: 1, failed: 1 })
    })

    it('waits for its end where only what has failed is replaced', async () => {
      await start({ podReplacementPolicy: 'Failed' })
      await deleteFirst()
      await pass(60)
      expect(active()).toHaveLength(0)
      expect(job().status?.failed).toBeUndefined()
      expect(job().status?.terminating).toBe(1)
      await stopDeleted()
      await pass(10)
      expect(active()).toHaveLength(1)
      expect(job().status).toMatchObject({ failed: 1, terminating: 0 })
    })
  })

  it('follows changes of how many may run at once, and of completions of an Indexed job', async () => {
    await start({ completions: 4, parallelism: 4, completionMode: 'Indexed' })
    await end(active()[3])
    expect(job().status?.completedIndexes).toBe('3')
    await change({ completions: 2, parallelism: 2 })
    await stopDeleted()
    expect(active().map(indexOf)).toEqual(['0', '1'])
    expect(job().status?.completedIndexes).toBeUndefined()
    expect(job().status?.succeeded).toBeUndefined()
    await change({ parallelism: 0 })
    await stopDeleted()
    expect(active()).toEqual([])
    expect(job().status?.failed).toBeUndefined()
  })

  it('leaves a job to the controller that manages it', async () => {
    bench.cluster.seed(jobs, aJob({ spec: { managedBy: 'example.com/queue' } }))
    const writes = bench.writesFromHere()
    await bench.start()
    expect(writes()).toEqual([])
  })

  it('adopts pods that it selects and lets others go, with their finalizer', async () => {
    const labels = aJob().spec?.template.metadata?.labels ?? {}
    bench.cluster.seed(pods, aPod({ name: 'orphan', labels }))
    await start()
    const adopted = bench.only(pods)
    expect(controllerOf(adopted)?.uid).toBe(job().metadata.uid)
    expect(adopted.metadata.finalizers).toEqual([trackingFinalizer])
    bench.cluster.change(pods, { namespace: 'default', name: 'orphan' }, (pod) => void (pod.metadata.labels = {}))
    await bench.settle()
    const released = bench.cluster.all(pods).find((pod) => pod.metadata.name === 'orphan')
    expect([released?.metadata.ownerReferences ?? [], released?.metadata.finalizers ?? []]).toEqual([[], []])
    expect(active().filter((pod) => controllerOf(pod) !== undefined)).toHaveLength(1)
  })

  it('takes the finalizer off pods whose job is gone', async () => {
    await start({ parallelism: 2, completions: 2 })
    bench.cluster.remove(jobs, key)
    await bench.settle()
    expect(bench.cluster.all(pods).map((pod) => pod.metadata.finalizers)).toEqual([undefined, undefined])
  })

  it('takes the finalizer off pods of a job that is being deleted, and creates no others', async () => {
    await start({ parallelism: 2, completions: 2 })
    bench.cluster.change(jobs, key, (deleted) => {
      deleted.metadata.deletionTimestamp = formatTime(Date.now())
      deleted.metadata.finalizers = ['foregroundDeletion']
    })
    await bench.settle()
    for (const { metadata } of active()) await bench.cluster.delete(pods, { namespace: 'default', name: metadata.name })
    await bench.settle()
    await stopDeleted()
    expect(bench.cluster.all(pods)).toEqual([])
  })

  it('counts 1,100 pods that end at once, and writes no more than 500 uids at a time', async () => {
    await start({ parallelism: 1100, completions: 1100, backoffLimit: 0 })
    expect(active()).toHaveLength(1100)
    let uncountedMost = 0
    const { updateStatus } = bench.cluster
    bench.cluster.updateStatus = async (resource, object, options) => {
      const uncounted = (object as Job).status?.uncountedTerminatedPods?.succeeded ?? []
      uncountedMost = Math.max(uncountedMost, uncounted.length)
      return (await updateStatus.call(bench.cluster, resource, object, options)) as never
    }
    for (const pod of active()) endPod(bench.cluster, pod)
    await bench.settle()
    expect(job().status?.succeeded).toBe(1100)
    expect(conditions()).toEqual(['SuccessCriteriaMet=True', 'Complete=True'])
    expect(uncountedMost).toBe(500)
  })

  it('reports why pods cannot be created, tries few, and recovers', async () => {
    let attempts = 0
    bench.cluster.refuse((write) => {
      if (write.verb !== 'create' || write.resource !== 'pods') return undefined
      attempts++
      return new StatusError('Forbidden', 'exceeded quota: pods')
    })
    bench.cluster.seed(jobs, aJob({ spec: { parallelism: 50, completions: 50 } }))
    await bench.start()
    expect(messagesOf('FailedCreate')[0]).toBe('Error creating: exceeded quota: pods')
    expect(attempts).toBeLessThan(20)
    expect(job().status?.active).toBeUndefined()
    bench.cluster.acceptAll()
    await bench.pass(1_000_000)
    expect(active()).toHaveLength(50)
  })

  it('counts and creates nothing twice while its view is old', async () => {
    await bench.stop()
    bench = new ControllerBench({ controllers, holdWatches: true })
    bench.cluster.seed(jobs, aJob({ spec: { completions: 3, parallelism: 1 } }))
    await bench.start()
    for (let left = 3; left > 0; left--) {
      bench.cluster.deliver()
      await bench.settle()
      expect(active()).toHaveLength(1)
      await end(active()[0])
      // One event at a time: pods are seen to be released before the status is seen that counts them, and the other way round.
      for (let step = 0; step < 12; step++) {
        bench.cluster.deliver((waiting) => Math.min(waiting, 1))
        await bench.settle()
      }
    }
    expect(bench.cluster.all(pods)).toHaveLength(3)
    expect(job().status?.succeeded).toBe(3)
    expect(conditions()).toEqual(['SuccessCriteriaMet=True', 'Complete=True'])
  })
})
