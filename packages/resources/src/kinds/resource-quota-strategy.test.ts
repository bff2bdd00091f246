import { describe, expect, it } from 'vitest'
import type { ResourceQuota } from '../generated/types.ts'
import { resourceQuotaStrategy } from './resource-quota-strategy.ts'

const problems = (spec: object): string[] =>
  (resourceQuotaStrategy.validate?.({ spec } as unknown as ResourceQuota) ?? []).map(
    ({ field, message }) => `${field}: ${message}`,
  )

describe('resourceQuotaStrategy', () => {
  it.each([
    { hard: { pods: '1', 'requests.cpu': '1', 'hugepages-2Mi': '2Mi', 'requests.hugepages-1Gi': '1Gi' } },
    { hard: { 'count/deployments.apps': '3', 'requests.example.com/gpu': '1' } },
    { hard: { 'gold.storageclass.storage.k8s.io/requests.storage': '1Gi' } },
    { hard: { pods: '1' }, scopes: ['BestEffort', 'Terminating'] },
    {
      hard: { pods: '1', cpu: '1' },
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['a'] }] },
    },
  ])('accepts %j', (spec) => {
    expect(problems(spec)).toEqual([])
  })

  it.each([
    [{ hard: { widgets: '1' } }, 'spec.hard[widgets]: Invalid value: "widgets": must be a standard resource for quota'],
    [{ hard: { pods: '1.5' } }, 'spec.hard[pods]: Invalid value: "1.5": must be an integer'],
    [{ hard: { cpu: '-1' } }, 'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    [{ hard: {}, scopes: ['Some'] }, 'spec.scopes: Invalid value: ["Some"]: unsupported scope'],
    [
      { hard: { cpu: '1' }, scopes: ['BestEffort'] },
      'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
    ],
    [
      { hard: {}, scopes: ['BestEffort', 'NotBestEffort'] },
      'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
    ],
    [
      { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] } },
      "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
    ],
  ])('refuses %j', (spec, problem) => {
    expect(problems(spec)).toContain(problem)
  })
})
