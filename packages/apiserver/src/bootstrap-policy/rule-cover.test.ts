import type { PolicyRule } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { grant, grantPaths } from './grant.ts'
import { uncoveredRules } from './rule-cover.ts'

const single = (verb: string, resource: string, group = ''): PolicyRule => ({
  apiGroups: [group],
  resources: [resource],
  verbs: [verb],
})

describe('what rules do not grant', () => {
  it.each<[string, PolicyRule[], PolicyRule[], PolicyRule[]]>([
    ['nothing, of the same rules', [grant('get list', '', 'pods')], [grant('list get', '', 'pods')], []],
    [
      'nothing, where several rules together do',
      [single('get', 'pods'), single('list', 'pods')],
      [grant('get list', '', 'pods')],
      [],
    ],
    ['a verb', [grant('get', '', 'pods')], [grant('get list', '', 'pods')], [single('list', 'pods')]],
    [
      'a group',
      [grant('get', 'apps', 'replicasets')],
      [grant('get', ['apps', 'extensions'], 'replicasets')],
      [single('get', 'replicasets', 'extensions')],
    ],
    ['nothing, where all is granted', [grant('*', '*', '*')], [grant('get', 'apps', 'deployments/scale')], []],
    [
      'nothing, where a part of everything is',
      [grant('get', '*', '*/scale')],
      [grant('get', 'apps', 'deployments/scale')],
      [],
    ],
    ['all names, where one is', [grant('get', '', 'pods', 'a')], [grant('get', '', 'pods')], [single('get', 'pods')]],
    ['nothing of one name, where all are', [grant('get', '', 'pods')], [grant('get', '', 'pods', 'a b')], []],
    [
      'another name',
      [grant('get', '', 'pods', 'a')],
      [grant('get', '', 'pods', 'a b')],
      [{ ...single('get', 'pods'), resourceNames: ['b'] }],
    ],
    ['a path', [grantPaths('/api /livez*')], [grantPaths('/api /livez/x /apis')], [grantPaths('/apis')]],
  ])('is %s', (_what, owned, wanted, missing) => {
    expect(uncoveredRules(owned, wanted)).toEqual(missing)
  })
})
