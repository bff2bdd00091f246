import { describe, expect, it } from 'vitest'
import type { CronJob, Job, JobSpec, JobStatus } from '../generated/types.ts'
import { cronJobStrategy } from './cron-job-strategy.ts'
import { jobStrategy } from './job-strategy.ts'

type Problems = readonly { readonly field: string; readonly message: string }[]
const texts = (problems: Problems = []): string[] => problems.map(({ field, message }) => `${field}: ${message}`)

type JobParts = Omit<Partial<JobSpec>, 'template'> & { template?: object }

function job(spec: JobParts = {}, status: JobStatus = {}): Job {
  const object: Job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'work', uid: 'u-1' },
    spec: {
      template: { spec: { containers: [{ name: 'app', image: 'a' }], restartPolicy: 'Never' } },
      ...spec,
    } as JobSpec,
  }
  jobStrategy.applyDefaults?.(object)
  jobStrategy.prepareForCreate?.(object)
  return { ...object, status }
}

const created = (spec: JobParts): string[] => texts(jobStrategy.validate?.(job(spec)))
const updated = (old: Job, now: Job): string[] => texts(jobStrategy.validateUpdate?.(now, old))
const indexed = { completionMode: 'Indexed', completions: 3, parallelism: 3 }
const failurePolicy = (...rules: object[]): JobParts => ({ podFailurePolicy: { rules } as never })
const rule = 'spec.podFailurePolicy.rules[0]'
const exit = (values: number[], operator = 'In') => ({ action: 'FailJob', onExitCodes: { operator, values } })

describe('the defaults of a Job', () => {
  it('are one pod, six retries, and labels of its own', () => {
    expect(job().spec).toMatchObject({
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      manualSelector: false,
      podReplacementPolicy: 'TerminatingOrFailed',
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u-1' } },
    })
    const labels = {
      'batch.kubernetes.io/controller-uid': 'u-1',
      'batch.kubernetes.io/job-name': 'work',
      'controller-uid': 'u-1',
      'job-name': 'work',
    }
    expect(job().spec?.template.metadata?.labels).toEqual(labels)
    expect(job().metadata.labels).toEqual(labels)
  })

  it.each<[JobParts, object]>([
    [{ parallelism: 4 }, { parallelism: 4 }],
    [{ completions: 4 }, { parallelism: 1, completions: 4 }],
    [{ ...indexed, backoffLimitPerIndex: 1 }, { backoffLimit: 2_147_483_647 }],
    [
      failurePolicy({ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }),
      {
        podReplacementPolicy: 'Failed',
        podFailurePolicy: { rules: [{ onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] },
      },
    ],
  ])('of %j', (spec, expected) => {
    expect(job(spec).spec).toMatchObject(expected)
  })

  it('ask for no completions where only parallelism is given', () => {
    expect(job({ parallelism: 4 }).spec?.completions).toBeUndefined()
  })
})

describe('a new Job', () => {
  it.each<[JobParts, string[]]>([
    [{}, []],
    [
      { template: { spec: { containers: [{ name: 'app', image: 'a' }] } } },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [{ backoffLimitPerIndex: 1 }, ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode']],
    [
      { completionMode: 'Indexed', parallelism: 1 },
      ['spec.completions: Required value: when completion mode is Indexed'],
    ],
    [
      { ...indexed, maxFailedIndexes: 4 },
      [
        'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
        'spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions',
      ],
    ],
    [
      { ...indexed, completions: 100_001, backoffLimitPerIndex: 1 },
      ['spec.maxFailedIndexes: Required value: must be specified when completions is above 100000'],
    ],
    [{ managedBy: 'example.com/queue' }, []],
    [
      { managedBy: 'queue' },
      ['spec.managedBy: Invalid value: "queue": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [failurePolicy(exit([1, 2, 255])), []],
    [
      failurePolicy({ onExitCodes: { operator: 'In', values: [1] } }),
      [`${rule}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`],
    ],
    [failurePolicy(exit([3, 1])), [`${rule}.onExitCodes.values: Invalid value: [3,1]: must be ordered`]],
    [failurePolicy(exit([1, 1])), [`${rule}.onExitCodes.values[1]: Duplicate value: 1`]],
    [failurePolicy(exit([0])), [`${rule}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`]],
    [failurePolicy(exit([0], 'NotIn')), []],
    [
      failurePolicy({ action: 'FailIndex', onExitCodes: { operator: 'In', values: [1], containerName: 'other' } }),
      [
        `${rule}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
        `${rule}.onExitCodes.containerName: Invalid value: "other": must be one of the container or initContainer names in the pod template`,
      ],
    ],
    [
      failurePolicy({ action: 'Count' }),
      [`${rule}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`],
    ],
    [
      { ...failurePolicy(exit([1])), podReplacementPolicy: 'TerminatingOrFailed' },
      ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
    ],
    [
      { successPolicy: { rules: [{ succeededCount: 1 }] } },
      ['spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode'],
    ],
    [{ ...indexed, successPolicy: { rules: [{ succeededIndexes: '0,2', succeededCount: 2 }] } }, []],
    [
      { ...indexed, successPolicy: { rules: [{ succeededIndexes: '2,0' }, { succeededIndexes: '1-5' }, {}] } },
      [
        'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "2,0": error parsing succeededIndexes: non-increasing order, previous: 2, current: 0',
        'spec.successPolicy.rules[1].succeededIndexes: Invalid value: "1-5": error parsing succeededIndexes: too large index: "5"',
        'spec.successPolicy.rules[2]: Required value: at least one of succeededCount or succeededIndexes must be specified',
      ],
    ],
  ])('%j', (spec, problems) => {
    expect(created(spec)).toEqual(problems)
  })
})

describe('a Job that exists', () => {
  it('may be scaled, suspended, and given other limits', () => {
    expect(updated(job(), job({ parallelism: 3, suspend: true, backoffLimit: 1, activeDeadlineSeconds: 5 }))).toEqual([
      'spec.completions: Invalid value: null: field is immutable',
    ])
    expect(updated(job({ completions: 1 }), job({ completions: 1, parallelism: 3, suspend: true }))).toEqual([])
  })

  it('changes its completions together with its parallelism, when it is Indexed', () => {
    expect(updated(job(indexed), job({ ...indexed, completions: 5, parallelism: 5 }))).toEqual([])
    expect(updated(job(indexed), job({ ...indexed, completions: 5 }))).toEqual([
      'spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism',
    ])
  })

  const pod = (spec: object, container: object = {}): JobParts => ({
    suspend: true,
    template: { spec: { containers: [{ name: 'app', image: 'a', ...container }], restartPolicy: 'Never', ...spec } },
  })
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } }
  const podAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone' }] }
  const immutable = ['spec.template: Invalid value']

  it.each<[string, JobParts, JobStatus, string[]]>([
    ['a node selector while it waits', pod({ nodeSelector: { a: 'b' } }), {}, []],
    ['node affinity while it waits', pod({ affinity: { nodeAffinity } }), {}, []],
    ['resources while it waits', pod({}, { resources: { requests: { cpu: '2' } } }), {}, []],
    ['pod affinity', pod({ affinity: { podAffinity } }), {}, immutable],
    ['an image', pod({}, { image: 'b' }), {}, immutable],
    ['a node selector while pods are going', pod({ nodeSelector: { a: 'b' } }), { active: 1 }, immutable],
    ['a node selector before it is stopped', pod({ nodeSelector: { a: 'b' } }), { startTime: 't' }, immutable],
    [
      'a node selector once it is stopped',
      pod({ nodeSelector: { a: 'b' } }),
      { startTime: 't', conditions: [{ type: 'Suspended', status: 'True' }] },
      [],
    ],
  ])('and is suspended may get %s, or not', (_what, now, status, problems) => {
    expect(updated(job(pod({}), status), job(now)).map((text) => text.slice(0, 28))).toEqual(problems)
  })
})

describe("a Job's status", () => {
  const conditions = (...types: string[]) => ({ conditions: types.map((type) => ({ type, status: 'True' })) })
  const [t1, t2] = ['2026-01-01T00:00:01Z', '2026-01-01T00:00:02Z']
  const complete = { ...conditions('SuccessCriteriaMet', 'Complete'), startTime: t1, completionTime: t2 }

  it.each<[JobStatus, JobStatus, string[]]>([
    [{}, { active: 1, ready: 1, startTime: t1, uncountedTerminatedPods: { failed: ['a'] } }, []],
    [{ startTime: t1 }, complete, []],
    [
      { active: 1 },
      { active: 1, ready: 2 },
      ['status.ready: Invalid value: 2: cannot set more ready pods than active'],
    ],
    [
      { startTime: t1 },
      { ...complete, active: 1, terminating: 1, uncountedTerminatedPods: { succeeded: ['a', 'a'] } },
      [
        'status.uncountedTerminatedPods.succeeded[1]: Duplicate value: "a"',
        'status.active: Invalid value: 1: active>0 is invalid for finished job',
        'status.uncountedTerminatedPods: Invalid value: {"succeeded":["a","a"]}: uncountedTerminatedPods needs to be empty for finished job',
        'status.terminating: Invalid value: 1: terminating>0 is invalid for finished job',
      ],
    ],
    [
      {},
      conditions('Failed'),
      [
        'status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition',
        'status.startTime: Required value: startTime is required for finished job',
      ],
    ],
    [
      { ...conditions('FailureTarget'), startTime: t1, failed: 2, succeeded: 1 },
      { failed: 1 },
      [
        'status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition',
        'status.failed: Invalid value: 1: cannot decrease the failed counter',
        'status.succeeded: Invalid value: 0: cannot decrease the succeeded counter',
        'status.startTime: Required value: startTime cannot be removed for unsuspended job',
      ],
    ],
    [
      {},
      { completedIndexes: '1,0' },
      [
        'status.completedIndexes: Invalid value: "1,0": error parsing completedIndexes: too large index: "1"',
        'status.completedIndexes: Invalid value: "1,0": cannot set non-empty completedIndexes when non-indexed completion mode',
      ],
    ],
  ])('%j becomes %j', (old, now, problems) => {
    expect(texts(jobStrategy.validateStatusUpdate?.(job({}, now), job({}, old)))).toEqual(problems)
  })
})

describe('a CronJob', () => {
  const cronJob = (spec: Partial<CronJob['spec']>): CronJob => {
    const template = { spec: { containers: [{ name: 'app', image: 'a' }], restartPolicy: 'Never' } }
    const object: CronJob = {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'report' },
      spec: { schedule: '0 * * * *', jobTemplate: { spec: { template } }, ...spec },
    }
    cronJobStrategy.applyDefaults?.(object)
    return object
  }

  it.each<[Partial<CronJob['spec']>, string[]]>([
    [{}, []],
    [{ schedule: '*/5 0-6 1,15 jan-mar mon' }, []],
    [{ schedule: '@every 90m' }, []],
    [{ timeZone: 'Europe/Berlin' }, []],
    [
      { schedule: '60 * * * *' },
      ['spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum (59): 60'],
    ],
    [{ schedule: '0 0 * * 7' }, ['spec.schedule: Invalid value: "0 0 * * 7": end of range (7) above maximum (6): 7']],
    [{ schedule: '@never' }, ['spec.schedule: Invalid value: "@never": unrecognized descriptor: @never']],
    [
      { schedule: 'TZ=UTC 0 * * * *' },
      [
        'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
      ],
    ],
    [{ timeZone: 'Mars/Phobos' }, ['spec.timeZone: Invalid value: "Mars/Phobos": unknown time zone Mars/Phobos']],
    [{ timeZone: '+0500' }, ['spec.timeZone: Invalid value: "+0500": unknown time zone +0500']],
    [
      { timeZone: 'Local' },
      [
        'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      ],
    ],
    [
      { concurrencyPolicy: 'Never' },
      ['spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"'],
    ],
  ])('%j', (spec, problems) => {
    const object = cronJob(spec)
    expect(
      texts([...(cronJobStrategy.validate?.(object) ?? []), ...(cronJobStrategy.validateCreate?.(object) ?? [])]),
    ).toEqual(problems)
  })

  it('keeps the zone in its schedule that it had, but gets none', () => {
    const old = cronJob({ schedule: 'TZ=UTC 0 * * * *' })
    const update = (from: CronJob, spec: Partial<CronJob['spec']>) =>
      texts(cronJobStrategy.validateUpdate?.(cronJob(spec), from))
    expect(update(old, { schedule: 'TZ=UTC 5 * * * *' })).toEqual([])
    expect(update(old, { schedule: 'TZ=UTC 5 * * * *', timeZone: 'UTC' })).toHaveLength(1)
    expect(update(cronJob({}), { schedule: 'TZ=UTC 5 * * * *' })).toHaveLength(1)
    expect(update(cronJob({ timeZone: 'Gone/Zone' }), { timeZone: 'Gone/Zone' })).toEqual([])
  })
})
