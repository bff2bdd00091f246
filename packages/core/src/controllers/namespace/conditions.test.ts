import { aNamespace } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { contentConditions, type Left } from './conditions.ts'

const nothing: Left = { remaining: new Map(), finalizers: new Map(), failures: [] }
const messageOf = (left: Partial<Left>, type: string): string | undefined => {
  const found = contentConditions(aNamespace(), { ...nothing, ...left }, 0).find((condition) => condition.type === type)
  return `${found?.status} ${found?.reason}: ${found?.message}`
}

describe('contentConditions', () => {
  it('has all five, False where nothing is wrong', () => {
    expect(contentConditions(aNamespace(), nothing, 0).map(({ type, status }) => [type, status])).toEqual([
      ['NamespaceDeletionDiscoveryFailure', 'False'],
      ['NamespaceDeletionGroupVersionParsingFailure', 'False'],
      ['NamespaceDeletionContentFailure', 'False'],
      ['NamespaceContentRemaining', 'False'],
      ['NamespaceFinalizersRemaining', 'False'],
    ])
  })

  it('counts what is left, by resource and group', () => {
    const remaining = new Map([
      ['pods.', 2],
      ['deployments.apps', 1],
    ])
    expect(messageOf({ remaining }, 'NamespaceContentRemaining')).toBe(
      'True SomeResourcesRemain: Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances',
    )
  })

  it('names the finalizers that hold content', () => {
    expect(messageOf({ finalizers: new Map([['example.com/keep', 3]]) }, 'NamespaceFinalizersRemaining')).toBe(
      'True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/keep in 3 resource instances',
    )
  })

  it.each([
    [['no'], 'Failed to delete all resource types, 1 remaining: no'],
    [['two', 'one'], 'Failed to delete all resource types, 2 remaining: [one, two]'],
  ])('says why content could not be deleted: %o', (failures, message) => {
    expect(messageOf({ failures }, 'NamespaceDeletionContentFailure')).toBe(`True ContentDeletionFailed: ${message}`)
  })

  it('gives the same list when nothing has changed', () => {
    const namespace = aNamespace()
    const conditions = contentConditions(namespace, nothing, 0)
    namespace.status = { phase: 'Terminating', conditions: [...conditions] }
    expect(contentConditions(namespace, nothing, 99_000)).toEqual(conditions)
  })
})
