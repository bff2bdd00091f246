import type { Pod, PodFailurePolicyRule } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { matchPodFailurePolicy } from './pod-failure-policy.ts'

const failedPod = (exitCodes: Record<string, number | undefined>, condition?: string): Pod => ({
  ...aPod({ name: 'p' }),
  status: {
    phase: 'Failed',
    conditions: condition === undefined ? [] : [{ type: condition, status: 'True' }],
    containerStatuses: Object.entries(exitCodes).map(([name, exitCode]) => ({
      name,
      image: '',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: exitCode === undefined ? { running: {} } : { terminated: { exitCode } },
    })),
  },
})
const onExit = (action: string, operator: string, values: number[], containerName?: string): PodFailurePolicyRule => ({
  action,
  onExitCodes: { operator, values, ...(containerName === undefined ? {} : { containerName }) },
})
const onCondition = (action: string, type: string): PodFailurePolicyRule => ({
  action,
  onPodConditions: [{ type, status: 'True' }],
})
const container = 'Container a for pod default/p failed with exit code 42'

describe('matchPodFailurePolicy', () => {
  it.each<[string, PodFailurePolicyRule[], Pod, ReturnType<typeof matchPodFailurePolicy>]>([
    ['counts where no rule matches', [onExit('FailJob', 'In', [1])], failedPod({ a: 42 }), { counts: true }],
    [
      'fails the job on a code',
      [onExit('FailJob', 'In', [1, 42])],
      failedPod({ a: 42 }),
      { counts: true, action: 'FailJob', failsJob: `${container} matching FailJob rule at index 0` },
    ],
    [
      'takes the first rule that matches',
      [onExit('Ignore', 'In', [1]), onExit('FailJob', 'NotIn', [1]), onExit('Count', 'In', [42])],
      failedPod({ a: 42 }),
      { counts: true, action: 'FailJob', failsJob: `${container} matching FailJob rule at index 1` },
    ],
    ['never looks at code 0', [onExit('FailJob', 'NotIn', [1])], failedPod({ a: 0 }), { counts: true }],
    ['waits for running containers', [onExit('FailJob', 'NotIn', [1])], failedPod({ a: undefined }), { counts: true }],
    [
      'looks at one container where it is named',
      [onExit('Ignore', 'In', [42], 'b')],
      failedPod({ a: 42, b: 1 }),
      { counts: true },
    ],
    ['fails an index', [onExit('FailIndex', 'In', [42])], failedPod({ a: 42 }), { counts: true, action: 'FailIndex' }],
    [
      'ignores a disruption',
      [onCondition('Ignore', 'DisruptionTarget')],
      failedPod({ a: 143 }, 'DisruptionTarget'),
      { counts: false, action: 'Ignore' },
    ],
    [
      'fails the job on a condition',
      [onCondition('FailJob', 'ConfigIssue')],
      failedPod({}, 'ConfigIssue'),
      {
        counts: true,
        action: 'FailJob',
        failsJob: 'Pod default/p has condition ConfigIssue matching FailJob rule at index 0',
      },
    ],
  ])('%s', (_what, rules, pod, expected) => {
    expect(matchPodFailurePolicy({ rules }, pod)).toEqual(expected)
  })
})
