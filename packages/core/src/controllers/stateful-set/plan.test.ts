import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '@binnacle/resources'
import { aPod, aStatefulSet } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { ownersToSet } from './identity.ts'
import { planStatefulSet, type SetPlan } from './plan.ts'

type Spec = NonNullable<StatefulSet['spec']>

const revision = (name: string, image: string): ControllerRevision => ({
  apiVersion: 'apps/v1',
  kind: 'ControllerRevision',
  metadata: { name },
  data: { spec: { template: { $patch: 'replace', spec: { containers: [{ name: 'app', image }] } } } },
  revision: 1,
})

/** `2old!` is web-2 of the old template, not ready; `~` stands for one that is being deleted, `x` for a failed one, `?` for a pending one. */
function podOf(text: string): Pod {
  const [, ordinal, template, mark] = /^(\d+)(old|new)(.?)$/.exec(text) as unknown as [string, string, string, string]
  const pod = aPod({ name: `web-${ordinal}`, labels: { app: 'web' }, ready: mark !== '!' })
  Object.assign(pod.metadata.labels ?? {}, {
    'statefulset.kubernetes.io/pod-name': `web-${ordinal}`,
    'controller-revision-hash': template,
  })
  pod.metadata.uid = `uid-${ordinal}`
  if (mark === '~') pod.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
  if (mark === 'x') pod.status = { phase: 'Failed' }
  if (mark === '?') pod.status = { phase: 'Pending' }
  return pod
}

function plan(pods: string, spec: Partial<Spec>): string {
  const set = aStatefulSet({ replicas: 3, spec: { updateStrategy: rolling({ partition: 0 }), ...spec } })
  const { replicas, condemned, outdated } = planStatefulSet({
    set,
    pods: pods.split(' ').filter(Boolean).map(podOf),
    current: revision('old', 'app:1'),
    update: revision('new', 'app:2'),
    claim: () => undefined,
    nowMs: Date.UTC(2026, 0, 2),
  } satisfies Parameters<typeof planStatefulSet>[0])
  return textOf({ replicas, condemned, outdated })
}

function textOf({ replicas, condemned, outdated }: Omit<SetPlan, 'condemnedClaims'>): string {
  return [...replicas, ...condemned, ...outdated]
    .map(({ verb, pod, ordinal }) =>
      verb === 'create'
        ? `create ${ordinal}${pod.metadata.labels?.['controller-revision-hash']}`
        : `${verb} ${ordinal}`,
    )
    .join(', ')
}

const parallel = { podManagementPolicy: 'Parallel' }
const rolling = (rollingUpdate: NonNullable<NonNullable<Spec['updateStrategy']>['rollingUpdate']>) => ({
  type: 'RollingUpdate',
  rollingUpdate,
})
const within = (maxUnavailable: number | string, partition = 0) => ({
  updateStrategy: rolling({ maxUnavailable, partition }),
})

describe('planStatefulSet', () => {
  it.each<[string, string, Partial<Spec>, string]>([
    ['makes the first pod', '', {}, 'create 0new'],
    ['makes the next when the one before is ready', '0new', {}, 'create 1new'],
    ['fills a gap before anything else', '0new 2old', {}, 'create 1new'],
    ['waits for a pod that is not ready', '0new!', {}, ''],
    ['waits for a pod that is being deleted', '0new~', {}, ''],
    ['deletes a pod that has failed', '0new 1newx 2old', {}, 'delete 1'],
    ['waits with a failed pod that others follow', '0newx', {}, 'delete 0'],
    ['makes all pods of a parallel set', '1new', parallel, 'create 0new, create 2new'],
    ['makes pods beside broken ones in parallel', '0new! 1newx', parallel, 'delete 1, create 2new'],
    ['keeps what is right', '0new 1new 2new', {}, ''],
    ['takes the last away first', '0new 1new 2new 3new 4new', {}, 'delete 4'],
    ['waits for the last to be gone', '0new 1new 2new 3new 4new~', {}, ''],
    ['does not shrink while a pod that stays is not ready', '0new 1new! 2new 3new', {}, ''],
    ['takes a broken pod away when it is the first broken one', '0new 1new 2new 3new 4new!', {}, 'delete 4'],
    ['leaves a broken pod while one below is broken too', '0new 1new 2new 3new! 4new!', {}, ''],
    ['shrinks a parallel set at once', '0new! 1new 2new 3new 4new!', parallel, 'delete 4, delete 3'],
    ['shrinks before it updates', '0old 1old 2old 3old', {}, 'delete 3'],
    ['replaces the last old pod', '0old 1old 2old', {}, 'delete 2'],
    ['goes on with the one before', '0old 1old 2new', {}, 'delete 1'],
    ['waits for the new pod', '0old 1old 2new!', parallel, ''],
    ['replaces a broken old pod at once', '0old 1old 2old!', parallel, 'delete 2'],
    ['is held up by a broken pod in order', '0old 1old 2old!', {}, ''],
    ['leaves pods below the partition', '0old 1old 2new', { updateStrategy: rolling({ partition: 2 }) }, ''],
    ['makes old pods below the partition', '1old', { updateStrategy: rolling({ partition: 2 }) }, 'create 0old'],
    ['makes new pods from the partition on', '0old 1old', { updateStrategy: rolling({ partition: 2 }) }, 'create 2new'],
    [
      'counts the partition from the start ordinal',
      '5old 6old',
      { ...within(1, 2), ordinals: { start: 5 } },
      'create 7new',
    ],
    ['takes pods before the start away', '4new 5new 6new 7new', { ordinals: { start: 5 } }, 'delete 4'],
    ['leaves updates to people', '0old 1old 2old', { updateStrategy: { type: 'OnDelete' } }, ''],
    ['makes new pods all the same', '0old 1old', { updateStrategy: { type: 'OnDelete' } }, 'create 2new'],
    ['replaces as many as may be unavailable', '0old 1old 2old', within(2), 'delete 2, delete 1'],
    ['rounds a share down, but not to none', '0old 1old 2old', within('10%'), 'delete 2'],
    ['counts those that are unavailable', '0old 1old 2new!', { ...within(2), ...parallel }, 'delete 1'],
    [
      'replaces broken old pods beyond the bound',
      '0old! 1old! 2old',
      { ...within(1), ...parallel },
      'delete 1, delete 0',
    ],
    ['makes nothing below zero replicas', '0old', { replicas: 0 }, 'delete 0'],
  ])('%s', (_name, pods, spec, expected) => {
    expect(plan(pods, spec)).toBe(expected)
  })

  it('ignores a pod whose name has no ordinal of the set', () => {
    const stray = aPod({ name: 'other-1', labels: { app: 'web' }, ready: true })
    const { condemned } = planStatefulSet({
      set: aStatefulSet({ replicas: 0 }),
      pods: [stray],
      current: revision('old', 'app:1'),
      update: revision('old', 'app:1'),
      claim: () => undefined,
      nowMs: 0,
    })
    expect(condemned).toEqual([])
  })
})

describe('ownersToSet', () => {
  const set = (whenDeleted: string, whenScaled: string): StatefulSet => {
    const made = aStatefulSet({
      replicas: 1,
      claims: ['data'],
      spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } },
    })
    made.metadata.uid = 'set'
    return made
  }
  const references = {
    set: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'set', controller: true },
    uncontrolled: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'set' },
    formerSet: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'former', controller: true },
    pod: { apiVersion: 'v1', kind: 'Pod', name: 'web-0', uid: 'uid-0', controller: true },
    pod1: { apiVersion: 'v1', kind: 'Pod', name: 'web-1', uid: 'uid-1', controller: true },
    formerPod: { apiVersion: 'v1', kind: 'Pod', name: 'web-0', uid: 'former', controller: true },
    other: { apiVersion: 'example.com/v1', kind: 'Backup', name: 'b', uid: 'other', controller: true },
    friend: { apiVersion: 'example.com/v1', kind: 'Backup', name: 'b', uid: 'friend' },
  }
  type Names = readonly (keyof typeof references)[]

  it.each<[string, string, number, Names, Names | 'as they are']>([
    ['Retain', 'Retain', 0, [], 'as they are'],
    ['Retain', 'Retain', 0, ['set', 'friend'], ['friend']],
    ['Retain', 'Retain', 0, ['other'], 'as they are'],
    ['Delete', 'Retain', 0, [], ['set']],
    ['Delete', 'Retain', 0, ['set'], 'as they are'],
    ['Delete', 'Retain', 0, ['uncontrolled'], ['set']],
    ['Delete', 'Retain', 1, ['pod1'], ['set']],
    ['Delete', 'Retain', 0, ['formerSet'], 'as they are'],
    ['Delete', 'Retain', 0, ['other'], 'as they are'],
    ['Delete', 'Retain', 0, ['other', 'set'], ['other']],
    ['Retain', 'Delete', 0, [], 'as they are'],
    ['Retain', 'Delete', 0, ['pod'], []],
    ['Retain', 'Delete', 0, ['formerPod'], 'as they are'],
    ['Retain', 'Delete', 1, ['friend'], ['friend', 'pod1']],
    ['Delete', 'Delete', 0, [], ['set']],
    ['Delete', 'Delete', 1, ['set'], ['pod1']],
    ['Delete', 'Delete', 1, ['pod1'], 'as they are'],
  ])('deleted %s, scaled %s, pod %i: from %j to %j', (whenDeleted, whenScaled, ordinal, before, after) => {
    const claim: PersistentVolumeClaim = {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: `data-web-${ordinal}`, ownerReferences: before.map((name) => references[name]) },
    }
    const owners = ownersToSet(claim, set(whenDeleted, whenScaled), podOf(`${ordinal}new`))
    const wanted = after === 'as they are' ? undefined : after.map((name) => expect.objectContaining(references[name]))
    expect(owners).toEqual(wanted)
  })
})
