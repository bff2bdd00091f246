import type { CustomResourceDefinition } from '@binnacle/resources'
import { cronTabDefinition, established } from '@binnacle/resources/testing'
import { describe, expect, it } from 'vitest'
import { isSettled, planStatus } from './plan.ts'

const nowMs = Date.UTC(2026, 0, 1)
const names = { singular: 'crontab', listKind: 'CronTabList' }
const crd = (more: object = {}): CustomResourceDefinition => cronTabDefinition({ names: { ...names, ...more } })
const other = (more: object = {}): CustomResourceDefinition =>
  established(
    cronTabDefinition({
      names: { plural: 'others', singular: 'other', kind: 'Other', listKind: 'OtherList', shortNames: ['o'], ...more },
    }),
  )
const conditions = (subject: CustomResourceDefinition, others: CustomResourceDefinition[] = []) =>
  planStatus(subject, others, nowMs).conditions?.map(({ type, status, reason, message }) => [
    type,
    status,
    reason,
    message,
  ])

describe('the status of a definition', () => {
  it('gives it all its names and establishes it where nobody has them', () => {
    const status = planStatus(crd(), [other()], nowMs)
    expect(status.acceptedNames).toEqual({ plural: 'crontabs', kind: 'CronTab', shortNames: ['ct'], ...names })
    expect(conditions(crd())).toEqual([
      ['NamesAccepted', 'True', 'NoConflicts', 'no conflicts found'],
      ['Established', 'True', 'InitialNamesAccepted', 'the initial names have been accepted'],
    ])
    expect(isSettled({ ...crd(), status })).toBe(true)
    expect(isSettled(crd())).toBe(false)
  })

  it.each([
    [{ singular: 'crontab' }, 'SingularConflict', '"crontab" is already in use'],
    [{ shortNames: ['ct', 'x'] }, 'ShortNamesConflict', '"ct" is already in use'],
    [{ shortNames: ['crontabs'] }, 'PluralConflict', '"crontabs" is already in use'],
    [{ kind: 'CronTab' }, 'KindConflict', '"CronTab" is already in use'],
    [{ kind: 'CronTabList' }, 'ListKindConflict', '"CronTabList" is already in use'],
  ])('keeps it from what another has: %j is a %s', (taken, reason, message) => {
    expect(conditions(crd(), [other(taken)])).toEqual([
      ['NamesAccepted', 'False', reason, message],
      ['Established', 'False', 'NotAccepted', 'not all names are accepted'],
    ])
  })

  it('keeps what it has, and stays established, when it wants a name that is taken', () => {
    const before = established(crd())
    const wants = { ...before, spec: { ...before.spec, names: { ...before.spec.names, shortNames: ['o'] } } }
    const status = planStatus(wants, [other()], nowMs)
    expect(status.acceptedNames?.shortNames).toEqual(['ct'])
    expect(status.conditions?.map(({ status: value }) => value)).toEqual(['False', 'True'])
  })

  it('says whether a protected group was approved', () => {
    const protectedGroup = cronTabDefinition({ group: 'x.k8s.io', names })
    protectedGroup.metadata.annotations = { 'api-approved.kubernetes.io': 'https://example.com/1' }
    expect(conditions(protectedGroup)?.at(-1)).toEqual([
      'KubernetesAPIApprovalPolicyConformant',
      'True',
      'ApprovedAnnotation',
      'approved in https://example.com/1',
    ])
  })
})
