import { formatTime } from '@binnacle/apimachinery'
import type { JobSpec, JobStatus, Pod } from '@binnacle/resources'
import { aJob, aPod } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { noFailures } from './back-off.ts'
import { completionIndexKey, indexFailuresKey, trackingFinalizer } from './job-pods.ts'
import { type JobView, viewOf } from './job-view.ts'
import { burstPodsMax, planEnding, planPods } from './plan.ts'

const nowMs = Date.UTC(2026, 0, 1, 12)
const ago = (seconds: number) => formatTime(nowMs - seconds * 1000)

/** `state` is the phase, or `Going` for one that runs and is being deleted. */
function pod(state: string, index?: number, failures?: number): Pod {
  const isGoing = state === 'Going'
  const base = aPod({
    name: `${state}-${index ?? 0}`,
    ...(state === 'Running' || isGoing ? { ready: true } : { phase: state }),
  })
  return {
    ...base,
    metadata: {
      ...base.metadata,
      uid: `${state}-${index}-${Math.random()}`,
      creationTimestamp: ago(600),
      finalizers: [trackingFinalizer],
      ...(isGoing ? { deletionTimestamp: ago(1), deletionGracePeriodSeconds: 0 } : {}),
      annotations: {
        ...(index === undefined ? {} : { [completionIndexKey]: `${index}` }),
        ...(failures === undefined ? {} : { [indexFailuresKey]: `${failures}` }),
      },
    },
    status: {
      ...base.status,
      ...(state === 'Failed' ? { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: ago(5) }] } : {}),
    },
  }
}

function view(spec: Partial<JobSpec>, states: readonly Pod[], status: JobStatus = {}): JobView {
  const job = { ...aJob({ spec: { backoffLimit: 6, ...spec } }), status }
  return viewOf(job, states, new Set())
}

const many = (count: number, state: string): Pod[] => Array.from({ length: count }, () => pod(state))
const indexed = (completions: number, parallelism = completions) => ({
  completionMode: 'Indexed',
  completions,
  parallelism,
})

describe('planPods', () => {
  it.each<[string, Partial<JobSpec>, Pod[], JobStatus, number, number]>([
    ['all that may run', { completions: 9, parallelism: 4 }, [], {}, 4, 0],
    ['what is missing', { completions: 9, parallelism: 4 }, many(1, 'Running'), {}, 3, 0],
    ['what is left to complete', { completions: 9, parallelism: 4 }, [], { succeeded: 7 }, 2, 0],
    ['nothing once all have succeeded', { completions: 2, parallelism: 2 }, many(2, 'Succeeded'), {}, 0, 0],
    [
      'nothing new once one succeeded of no number',
      { parallelism: 3 },
      [...many(1, 'Running'), ...many(1, 'Succeeded')],
      {},
      0,
      0,
    ],
    ['a burst at the most', { completions: 900, parallelism: 900 }, [], {}, burstPodsMax, 0],
    ['fewer', { completions: 9, parallelism: 1 }, many(4, 'Running'), {}, 0, 3],
    ['none when it is suspended', { completions: 9, parallelism: 4, suspend: true }, many(4, 'Running'), {}, 0, 4],
    [
      'a pod for one that is going',
      { completions: 1, podReplacementPolicy: 'TerminatingOrFailed' },
      [pod('Going')],
      {},
      1,
      0,
    ],
    [
      'none before what is going has ended',
      { completions: 1, podReplacementPolicy: 'Failed' },
      [pod('Going')],
      {},
      0,
      0,
    ],
  ])('asks for %s', (_what, spec, pods, status, creates, deletes) => {
    const plan = planPods(view(spec, pods, status), noFailures, nowMs)
    expect([plan.create.length, plan.podsToDelete.length]).toEqual([creates, deletes])
  })

  it.each<[string, Partial<JobSpec>, Pod[], JobStatus, number[]]>([
    ['the lowest first', indexed(9, 3), [], {}, [0, 1, 2]],
    ['not those that run or are done', indexed(6), [pod('Running', 1)], { completedIndexes: '0,3-4' }, [2, 5]],
    ['those that succeeded just now neither', indexed(3), [pod('Succeeded', 0)], {}, [1, 2]],
    [
      'not those that failed for good',
      { ...indexed(4), backoffLimitPerIndex: 1 },
      [pod('Failed', 2, 1)],
      {},
      [0, 1, 3],
    ],
    ['not those that are going', { ...indexed(2), podReplacementPolicy: 'Failed' }, [pod('Going', 0)], {}, [1]],
  ])('takes up indexes: %s', (_what, spec, pods, status, indexes) => {
    expect(planPods(view(spec, pods, status), noFailures, nowMs).create.map(({ index }) => index)).toEqual(indexes)
  })

  it('lets the back-off of one index hold up no other', () => {
    const plan = planPods(view({ ...indexed(3), backoffLimitPerIndex: 3 }, [pod('Failed', 1, 0)]), noFailures, nowMs)
    expect(plan.create).toEqual([0, 2].map((index) => ({ index, failures: { counted: 0, ignored: 0 } })))
    expect(plan.againAfterMs).toBe(5000)
  })

  it('waits for the back-off of the job', () => {
    const failures = { failures: 2, lastFailureMs: nowMs - 5000 }
    expect(planPods(view({ completions: 3, parallelism: 3 }, []), failures, nowMs)).toEqual({
      create: [],
      podsToDelete: [],
      againAfterMs: 15_000,
    })
  })

  it('takes away doubled and strange indexes before others', () => {
    const pods = [pod('Running', 0), pod('Pending', 0), pod('Running', 1), pod('Running'), pod('Running', 7)]
    const plan = planPods(view(indexed(2), pods), noFailures, nowMs)
    expect(plan.podsToDelete.map(({ metadata }) => metadata.name).toSorted()).toEqual([
      'Pending-0',
      'Running-0',
      'Running-7',
    ])
  })
})

describe('planEnding', () => {
  const announced = (type: string): JobStatus => ({
    conditions: [{ type, status: 'True', reason: 'Why', message: 'Told' }],
  })
  const over = { activeDeadlineSeconds: 60, completions: 1 }
  it.each<[string, Partial<JobSpec>, Pod[], JobStatus, string | undefined]>([
    ['nothing', { completions: 1 }, [], {}, undefined],
    ['what was announced', over, [], { ...announced('SuccessCriteriaMet'), startTime: ago(61) }, 'Complete Why Told'],
    [
      'a failure that was announced',
      over,
      [],
      { ...announced('FailureTarget'), startTime: ago(61) },
      'Failed Why Told',
    ],
    ['as many failures as may be', { completions: 1, backoffLimit: 2 }, many(2, 'Failed'), {}, undefined],
    [
      'one failure more',
      { completions: 1, backoffLimit: 2 },
      many(1, 'Failed'),
      { failed: 2 },
      'Failed BackoffLimitExceeded',
    ],
    [
      'failures noted already',
      { completions: 1, backoffLimit: 0 },
      [],
      { uncountedTerminatedPods: { failed: ['a'] } },
      'Failed BackoffLimitExceeded',
    ],
    ['time that is left', over, [], { startTime: ago(59) }, undefined],
    ['no time left', over, [], { startTime: ago(60) }, 'Failed DeadlineExceeded'],
    ['no time while it is suspended', { ...over, suspend: true }, [], { startTime: ago(60) }, undefined],
    [
      'time that starts anew',
      over,
      [],
      { startTime: ago(60), conditions: [{ type: 'Suspended', status: 'True' }] },
      undefined,
    ],
    [
      'indexes of which some failed and the rest succeeded',
      { ...indexed(3), backoffLimitPerIndex: 0 },
      [],
      { completedIndexes: '0,1', failedIndexes: '2' },
      'Failed FailedIndexes',
    ],
    [
      'too many failed indexes',
      { ...indexed(3), backoffLimitPerIndex: 0, maxFailedIndexes: 0 },
      [pod('Failed', 1, 0)],
      {},
      'Failed MaxFailedIndexesExceeded',
    ],
    [
      'a success policy',
      { ...indexed(3), successPolicy: { rules: [{ succeededCount: 2 }] } },
      [pod('Succeeded', 1)],
      { completedIndexes: '0' },
      'Complete SuccessPolicy Matched rules at index 0',
    ],
  ])('sees %s', (_what, spec, pods, status, expected) => {
    const ending = planEnding(view(spec, pods, status), nowMs)
    if (expected === undefined) expect(ending).toBeUndefined()
    else expect(`${ending?.type} ${ending?.reason} ${ending?.message}`).toContain(expected)
  })
})
