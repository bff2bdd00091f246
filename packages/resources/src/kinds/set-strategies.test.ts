import { describe, expect, it } from 'vitest'
import type { DaemonSet, StatefulSet } from '../generated/types.ts'
import { daemonSetStrategy } from './daemon-set-strategy.ts'
import { statefulSetStrategy } from './stateful-set-strategy.ts'

/** Rules and defaults of StatefulSets and DaemonSets. */

const podTemplate = () => ({
  metadata: { labels: { app: 'web' } } as never,
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
})

function statefulSet(edit: (spec: NonNullable<StatefulSet['spec']>) => void = () => undefined): StatefulSet {
  const spec: StatefulSet['spec'] = { selector: { matchLabels: { app: 'web' } }, template: podTemplate() }
  edit(spec)
  const set: StatefulSet = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'web' }, spec }
  statefulSetStrategy.applyDefaults?.(set)
  return set
}

function daemonSet(edit: (spec: NonNullable<DaemonSet['spec']>) => void = () => undefined): DaemonSet {
  const spec: DaemonSet['spec'] = { selector: { matchLabels: { app: 'web' } }, template: podTemplate() }
  edit(spec)
  const set: DaemonSet = { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'web' }, spec }
  daemonSetStrategy.applyDefaults?.(set)
  return set
}

const problems = (set: StatefulSet | DaemonSet): string[] => {
  const strategy = (set.kind === 'StatefulSet' ? statefulSetStrategy : daemonSetStrategy) as typeof daemonSetStrategy
  const errors = [
    ...(strategy.validate?.(set as DaemonSet) ?? []),
    ...(strategy.validateCreate?.(set as DaemonSet) ?? []),
  ]
  return errors.map(({ field, message }) => `${field}: ${message}`)
}

const rolling = (rollingUpdate: object) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } })

describe('a StatefulSet', () => {
  it('gets its defaults', () => {
    expect(statefulSet().spec).toMatchObject({
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      replicas: 1,
      revisionHistoryLimit: 10,
    })
    expect(statefulSet((spec) => (spec.updateStrategy = { type: 'RollingUpdate' })).spec?.updateStrategy).toEqual({
      type: 'RollingUpdate',
    })
  })

  const claim = (spec: object) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec,
  })
  const right = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  const mounting = (name: string) => {
    const template = podTemplate()
    Object.assign(template.spec.containers[0] ?? {}, { volumeMounts: [{ name, mountPath: '/data' }] })
    return template
  }

  it.each<[string, object, string[]]>([
    ['what mounts its claims', { volumeClaimTemplates: [claim(right)], template: mounting('data') }, []],
    ['a share that may be unavailable', rolling({ maxUnavailable: '50%' }), []],
  ])('takes %s', (_name, change, expected) => {
    expect(problems(statefulSet((spec) => void Object.assign(spec, change)))).toEqual(expected)
  })

  it.each<[string, object, string]>([
    [
      'an unknown policy',
      { podManagementPolicy: 'Any' },
      "spec.podManagementPolicy: Invalid value: \"Any\": must be 'OrderedReady' or 'Parallel'",
    ],
    ['a negative partition', rolling({ partition: -1 }), 'spec.updateStrategy.rollingUpdate.partition: '],
    [
      'none that may be unavailable',
      rolling({ maxUnavailable: 0 }),
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0',
    ],
    ['more than all', rolling({ maxUnavailable: '101%' }), 'spec.updateStrategy.rollingUpdate.maxUnavailable: '],
    [
      'parameters of another strategy',
      { updateStrategy: { type: 'OnDelete', rollingUpdate: {} } },
      'spec.updateStrategy.rollingUpdate: ',
    ],
    [
      'an unknown retention',
      { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Keep' } },
      'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: ',
    ],
    ['a negative start', { ordinals: { start: -1 } }, 'spec.ordinals.start: '],
    ['a service name with dots', { serviceName: 'a.b' }, 'spec.serviceName: '],
    [
      'a mount of no volume',
      { template: mounting('other') },
      'spec.template.spec.containers[0].volumeMounts[0].name: ',
    ],
    [
      'a claim without access modes',
      { volumeClaimTemplates: [claim({ ...right, accessModes: [] })] },
      'spec.volumeClaimTemplates[0].spec.accessModes: ',
    ],
  ])('refuses %s', (_name, change, expected) => {
    const found = problems(statefulSet((spec) => void Object.assign(spec, change)))
    expect(found[0]?.slice(0, expected.length) ?? '').toBe(expected)
  })

  it('keeps its identity when it is changed', () => {
    const changed = statefulSet((spec) => (spec.serviceName = 'other'))
    const [error] = statefulSetStrategy.validateUpdate?.(changed, statefulSet()) ?? []
    expect(error?.message).toBe(
      "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    )
    const free = { replicas: 9, ordinals: { start: 1 }, minReadySeconds: 3, revisionHistoryLimit: 1 }
    const moved = statefulSet((spec) => void Object.assign(spec, free))
    expect(statefulSetStrategy.validateUpdate?.(moved, statefulSet())).toEqual([])
  })

  it('refuses a template that is wrong, but not a change of a set that has one', () => {
    const wrong = statefulSet((spec) => (spec.template = mounting('other')))
    expect(statefulSetStrategy.validateUpdate?.(wrong, statefulSet())).toHaveLength(1)
    expect(statefulSetStrategy.validateUpdate?.(wrong, wrong)).toEqual([])
  })
})

describe('a DaemonSet', () => {
  it('gets its defaults', () => {
    expect(daemonSet().spec).toMatchObject({
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      revisionHistoryLimit: 10,
    })
  })

  it('counts the generations of its template in an annotation', () => {
    const generationOf = (set: DaemonSet) => set.metadata.annotations?.['deprecated.daemonset.template.generation']
    const set = daemonSet()
    daemonSetStrategy.prepareForCreate?.(set)
    expect(generationOf(set)).toBe('1')
    const scheduled = daemonSet((spec) => (spec.minReadySeconds = 5))
    daemonSetStrategy.prepareForUpdate?.(scheduled, set)
    expect(generationOf(scheduled)).toBe('1')
    const changed = daemonSet((spec) => (spec.template.spec = { containers: [{ name: 'app', image: 'app:2' }] }))
    daemonSetStrategy.prepareForUpdate?.(changed, scheduled)
    expect(generationOf(changed)).toBe('2')
  })

  it.each<[string, object, string]>([
    ['both bounds', rolling({ maxUnavailable: 1, maxSurge: 1 }), 'spec.updateStrategy.rollingUpdate.maxSurge: '],
    ['no bound', rolling({ maxUnavailable: 0, maxSurge: 0 }), 'spec.updateStrategy.rollingUpdate.maxUnavailable: '],
    ['more than all', rolling({ maxUnavailable: '101%' }), 'spec.updateStrategy.rollingUpdate.maxUnavailable: '],
    ['an unknown strategy', { updateStrategy: { type: 'Recreate' } }, 'spec.updateStrategy: '],
    ['an empty selector', { selector: {} }, 'spec.selector: '],
  ])('refuses %s', (_name, change, expected) => {
    const found = problems(daemonSet((spec) => void Object.assign(spec, change)))
    expect(found[0]?.slice(0, expected.length) ?? '').toBe(expected)
  })

  it('keeps its selector', () => {
    const changed = daemonSet((spec) => (spec.selector = { matchLabels: { app: 'other' } }))
    expect(daemonSetStrategy.validateUpdate?.(changed, daemonSet())?.[0]?.field).toBe('spec.selector')
  })
})
