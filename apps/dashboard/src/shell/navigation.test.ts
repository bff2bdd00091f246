import { describe, expect, it } from 'vitest'
import type { ApiResource } from '../live/queries.ts'
import { navigationFor } from './navigation.ts'
import { findResource, objectPath } from './paths.ts'

const resource = (group: string, version: string, plural: string, verbs = ['list']): ApiResource => ({
  group,
  version,
  plural,
  kind: plural,
  singular: plural,
  shortNames: [],
  namespaced: true,
  verbs,
  categories: [],
  columns: [],
})

const served = [
  resource('', 'v1', 'pods'),
  resource('autoscaling', 'v2', 'horizontalpodautoscalers'),
  resource('autoscaling', 'v1', 'horizontalpodautoscalers'),
  resource('example.com', 'v1', 'widgets'),
  resource('authentication.k8s.io', 'v1', 'tokenreviews', ['create']),
]

describe('navigationFor', () => {
  it('lists every resource that can be listed once, in its preferred version', () => {
    const all = navigationFor(served).flatMap((section) => section.resources.map((r) => `${r.plural} ${r.version}`))
    expect(all).toEqual(['pods v1', 'horizontalpodautoscalers v2', 'widgets v1'])
  })

  it('puts unknown groups under their own name', () => {
    expect(navigationFor(served).at(-1)?.title).toBe('example.com')
  })
})

describe('paths', () => {
  it('name a resource as kubectl does', () => {
    expect(findResource(served, 'widgets.example.com')?.kind).toBe('widgets')
    expect(objectPath({ group: 'apps', plural: 'deployments' }, 'shop', 'web')).toBe('/deployments.apps/shop/web')
  })

  it('write - for the namespace of a cluster-scoped object', () => {
    expect(objectPath({ group: '', plural: 'nodes' }, '', 'node-1')).toBe('/nodes/-/node-1')
  })
})
