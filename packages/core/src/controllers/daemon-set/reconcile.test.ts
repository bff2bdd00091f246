import { controllerOf, StatusError } from '@binnacle/apimachinery'
import {
  type ControllerRevision,
  controllerRevisions,
  type DaemonSet,
  daemonSets,
  events,
  nodes,
  type Pod,
  pods,
} from '@binnacle/resources'
import { aDaemonSet, aNode, aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { targetNodeOf } from './daemon-pod.ts'
import { daemonSetController } from './reconcile.ts'

type Spec = NonNullable<DaemonSet['spec']>
const key = { namespace: 'default', name: 'web' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [daemonSetController()] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const change = (edit: (spec: Spec) => void): DaemonSet =>
  bench.cluster.change(daemonSets, key, (set) => {
    edit(set.spec as Spec)
    set.metadata.generation = (set.metadata.generation ?? 0) + 1
  })
const setImage = (image: string): DaemonSet =>
  change((spec) => {
    const [container] = spec.template.spec?.containers ?? []
    const podSpec = { ...spec.template.spec, containers: [{ ...container, name: 'app', image }] }
    spec.template = { ...spec.template, spec: podSpec }
  })
const changeNode = (name: string, edit: (node: ReturnType<typeof aNode>) => void) =>
  bench.cluster.change(nodes, { namespace: '', name }, edit)
const taint = (name: string, key: string, effect: string) =>
  changeNode(name, (node) => void (node.spec = { ...node.spec, taints: [{ key, effect }] }))
const status = () => bench.only(daemonSets).status
const revisions = (): ControllerRevision[] =>
  bench.cluster.all(controllerRevisions).toSorted((a, b) => a.revision - b.revision)
const messages = (reason: string) =>
  bench.cluster
    .all(events)
    .filter((event) => event.reason === reason)
    .map((event) => event.message)
const imageOf = (pod: Pod): string => pod.spec?.containers[0]?.image ?? ''
const going = (): Pod[] => bench.cluster.all(pods).filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
const where = (): string[] =>
  bench.cluster
    .all(pods)
    .map((pod) => targetNodeOf(pod) ?? '')
    .toSorted()

/** Does the scheduler's and the node agents' work, round by round. */
async function rounds(count: number, isReady: (pod: Pod) => boolean = () => true): Promise<void> {
  for (let round = 0; round < count; round++) {
    bind()
    bench.runPods(isReady)
    await bench.settle()
  }
}

function bind(): void {
  for (const pod of bench.cluster.all(pods)) {
    if (pod.spec?.nodeName) continue
    const { namespace = '', name } = pod.metadata
    bench.cluster.change(pods, { namespace, name }, (bound) => {
      bound.spec = { ...bound.spec, nodeName: targetNodeOf(pod) ?? '' } as NonNullable<Pod['spec']>
    })
  }
}

async function standing(options: Parameters<typeof aDaemonSet>[0] = {}, nodeNames = ['a', 'b', 'c']): Promise<void> {
  for (const name of nodeNames) bench.cluster.seed(nodes, aNode({ name }))
  bench.cluster.seed(daemonSets, aDaemonSet(options))
  await bench.start()
  await rounds(2)
}

describe('placement', () => {
  it('puts a pod on each node, which the scheduler can bind nowhere else', async () => {
    await standing()
    expect(where()).toEqual(['a', 'b', 'c'])
    const [pod] = bench.cluster.all(pods)
    expect(pod?.metadata.name).toMatch(/^web-[a-z0-9]{5}$/)
    expect(controllerOf(pod as Pod)).toMatchObject({ kind: 'DaemonSet', name: 'web' })
    expect(pod?.metadata.labels?.['controller-revision-hash']).toBe(
      revisions()[0]?.metadata.labels?.['controller-revision-hash'],
    )
    expect(pod?.spec?.affinity).toEqual({
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] }],
        },
      },
    })
    expect(messages('SuccessfulCreate')).toHaveLength(3)
  })

  it('counts its pods', async () => {
    for (const name of ['a', 'b']) bench.cluster.seed(nodes, aNode({ name }))
    bench.cluster.seed(daemonSets, aDaemonSet())
    await bench.start()
    expect(status()).toEqual({
      currentNumberScheduled: 2,
      desiredNumberScheduled: 2,
      numberMisscheduled: 0,
      numberReady: 0,
      numberUnavailable: 2,
      updatedNumberScheduled: 2,
      observedGeneration: 1,
    })
    await rounds(2)
    expect(status()).toEqual({
      currentNumberScheduled: 2,
      desiredNumberScheduled: 2,
      numberMisscheduled: 0,
      numberReady: 2,
      numberAvailable: 2,
      updatedNumberScheduled: 2,
      observedGeneration: 1,
    })
  })

  it('counts pods as available when they have been ready for long enough', async () => {
    await standing({ spec: { minReadySeconds: 30 } }, ['a'])
    expect(status()).toMatchObject({ numberReady: 1, numberUnavailable: 1 })
    await bench.pass(31_000)
    expect(status()).toMatchObject({ numberReady: 1, numberAvailable: 1 })
  })

  it('tolerates what is wrong with a node', async () => {
    await standing()
    const keys = bench.cluster.all(pods)[0]?.spec?.tolerations?.map(({ key, effect }) => `${key}:${effect}`)
    expect(keys).toEqual([
      'node.kubernetes.io/not-ready:NoExecute',
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/disk-pressure:NoSchedule',
      'node.kubernetes.io/memory-pressure:NoSchedule',
      'node.kubernetes.io/pid-pressure:NoSchedule',
      'node.kubernetes.io/unschedulable:NoSchedule',
    ])
    taint('a', 'node.kubernetes.io/unschedulable', 'NoSchedule')
    taint('b', 'node.kubernetes.io/not-ready', 'NoExecute')
    await bench.settle()
    expect(status()).toMatchObject({ desiredNumberScheduled: 3, numberMisscheduled: 0 })
  })

  it('leaves a pod where new ones may not come, and counts it as misplaced', async () => {
    await standing()
    taint('a', 'example.com/full', 'NoSchedule')
    await bench.settle()
    await rounds(1)
    expect(where()).toEqual(['a', 'b', 'c'])
    expect(status()).toMatchObject({ desiredNumberScheduled: 2, currentNumberScheduled: 2, numberMisscheduled: 1 })
  })

  it('takes a pod away where none may run, and brings it back', async () => {
    await standing()
    taint('a', 'example.com/broken', 'NoExecute')
    await bench.settle()
    await rounds(1)
    expect(where()).toEqual(['b', 'c'])
    changeNode('a', (node) => void (node.spec = {}))
    await bench.settle()
    expect(where()).toEqual(['a', 'b', 'c'])
  })

  it('follows the labels of nodes', async () => {
    bench.cluster.seed(nodes, aNode({ name: 'a', labels: { disk: 'ssd' } }))
    const spec = { containers: [{ name: 'app', image: 'app:1' }], nodeSelector: { disk: 'ssd' } }
    const template = { metadata: { labels: { app: 'web' } } as never, spec }
    await standing({ spec: { template } }, ['b', 'c'])
    expect(where()).toEqual(['a'])
    changeNode('b', (node) => void (node.metadata.labels = { disk: 'ssd' }))
    changeNode('a', (node) => void (node.metadata.labels = {}))
    await bench.settle()
    await rounds(1)
    expect(where()).toEqual(['b'])
  })

  it('runs on a node that comes later', async () => {
    await standing()
    bench.cluster.seed(nodes, aNode({ name: 'd' }))
    await bench.settle()
    expect(where()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('takes away what was meant for a node that is gone', async () => {
    for (const name of ['a', 'b']) bench.cluster.seed(nodes, aNode({ name }))
    bench.cluster.seed(daemonSets, aDaemonSet())
    await bench.start()
    bench.cluster.remove(nodes, { namespace: '', name: 'b' })
    await bench.settle()
    expect(where()).toEqual(['a'])
  })

  it('does nothing when a node tells of its health', async () => {
    await standing()
    const writes = bench.writesFromHere()
    changeNode('a', (node) => void (node.status = { ...node.status, phase: 'beating' }))
    await bench.settle()
    expect(writes()).toEqual([])
  })
})

describe('pods', () => {
  it('that are one too many on a node go, the younger first', async () => {
    await standing()
    await bench.pass(60_000)
    bench.cluster.seed(pods, aPod({ name: 'second', labels: { app: 'web' }, nodeName: 'a', ready: true }))
    await bench.settle()
    expect(going().map(({ metadata }) => metadata.name)).toEqual(['second'])
  })

  it('that have succeeded are replaced', async () => {
    await standing({}, ['a'])
    const { name } = bench.only(pods).metadata
    bench.cluster.change(pods, { namespace: 'default', name }, (pod) => void (pod.status = { phase: 'Succeeded' }))
    await bench.settle()
    await rounds(2)
    expect(bench.only(pods).metadata.name).not.toBe(name)
    expect(messages('SucceededDaemonPod')).toEqual([
      `Found succeeded daemon pod default/${name} on node a, will try to delete it`,
    ])
  })

  it('that fail again and again are replaced more and more slowly', async () => {
    await standing({}, ['a'])
    const replacedAfter = async (): Promise<number> => {
      const { name } = bench.only(pods).metadata
      const fromMs = Date.now()
      bench.cluster.change(pods, { namespace: 'default', name }, (pod) => void (pod.status = { phase: 'Failed' }))
      while (bench.only(pods).metadata.name === name) {
        await vi.advanceTimersByTimeAsync(10)
      }
      const seconds = Math.round((Date.now() - fromMs) / 1000)
      await bench.settle()
      return seconds
    }
    expect([await replacedAfter(), await replacedAfter(), await replacedAfter(), await replacedAfter()]).toEqual([
      0, 1, 2, 4,
    ])
    expect(messages('FailedDaemonPod')[0]).toMatch(
      /^Found failed daemon pod default\/web-\w+ on node a, will try to kill it$/,
    )
  })

  it('are adopted when it selects them, and released when it no longer does', async () => {
    bench.cluster.seed(pods, aPod({ name: 'orphan', labels: { app: 'web' }, nodeName: 'a', ready: true }))
    await standing({}, ['a', 'b'])
    const orphan = () => bench.cluster.all(pods).find(({ metadata }) => metadata.name === 'orphan')
    // It is of no revision, so the update replaces it.
    expect(orphan()).toBeUndefined()
    const [first] = bench.cluster.all(pods)
    bench.cluster.change(pods, { namespace: 'default', name: first?.metadata.name ?? '' }, (pod) => {
      pod.metadata.labels = { app: 'other' }
    })
    await bench.settle()
    expect(bench.cluster.all(pods).filter((pod) => controllerOf(pod) === undefined)).toHaveLength(1)
    expect(bench.cluster.all(pods)).toHaveLength(3)
  })

  it('that cannot be made are told of', async () => {
    bench.cluster.refuse((write) => (write.resource === 'pods' ? new StatusError('Forbidden', 'quota') : undefined))
    bench.cluster.seed(nodes, aNode({ name: 'a' }))
    bench.cluster.seed(daemonSets, aDaemonSet())
    await bench.start()
    expect(messages('FailedCreate')).toEqual(['Error creating: quota'])
  })

  it('carry the generation of the template that the API server counts', async () => {
    bench.cluster.seed(nodes, aNode({ name: 'a' }))
    await bench.cluster.create(daemonSets, aDaemonSet())
    await bench.start()
    expect(bench.only(pods).metadata.labels).toMatchObject({ 'pod-template-generation': '1' })
  })
})

describe('a rolling update', () => {
  const rolling = (maxUnavailable: number | string, maxSurge: number | string): Partial<Spec> => ({
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable, maxSurge } },
  })

  it('replaces as many at once as may be unavailable', async () => {
    await standing({ spec: rolling(2, 0) })
    setImage('app:2')
    await bench.settle()
    expect(going()).toHaveLength(2)
    await rounds(1)
    expect(bench.cluster.all(pods).map(imageOf).toSorted()).toEqual(['app:1', 'app:2', 'app:2'])
    await rounds(4)
    expect(bench.cluster.all(pods).map(imageOf)).toEqual(['app:2', 'app:2', 'app:2'])
    expect(status()).toMatchObject({ updatedNumberScheduled: 3, numberAvailable: 3 })
  })

  it('stops when new pods do not become available', async () => {
    await standing({ spec: rolling('25%', 0) })
    setImage('app:broken')
    await bench.settle()
    await rounds(6, (pod) => imageOf(pod) !== 'app:broken')
    expect(bench.cluster.all(pods).map(imageOf).toSorted()).toEqual(['app:1', 'app:1', 'app:broken'])
  })

  it('replaces old pods that are unavailable anyway at once', async () => {
    await standing({ spec: rolling(1, 0) })
    bench.cluster.all(pods).forEach((pod) => {
      const { namespace = '', name } = pod.metadata
      bench.cluster.change(pods, { namespace, name }, (found) => void (found.status = { phase: 'Running' }))
    })
    setImage('app:2')
    await bench.settle()
    expect(going()).toHaveLength(3)
  })

  it('starts new pods beside the old ones when it surges', async () => {
    await standing({ spec: rolling(0, 1) })
    setImage('app:2')
    await bench.settle()
    expect(bench.cluster.all(pods)).toHaveLength(4)
    let fewest = 3
    for (let round = 0; round < 8; round++) {
      await rounds(1)
      const ready = bench.cluster
        .all(pods)
        .filter((pod) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'))
      fewest = Math.min(fewest, ready.length)
    }
    expect(fewest).toBe(3)
    expect(bench.cluster.all(pods).map(imageOf)).toEqual(['app:2', 'app:2', 'app:2'])
    expect(where()).toEqual(['a', 'b', 'c'])
  })

  it('waits for pods to be deleted by hand when it is told so', async () => {
    await standing({ spec: { updateStrategy: { type: 'OnDelete' } } }, ['a'])
    setImage('app:2')
    await bench.settle()
    expect(going()).toEqual([])
    expect(status()?.updatedNumberScheduled).toBeUndefined()
    bench.cluster.remove(pods, { namespace: 'default', name: bench.only(pods).metadata.name })
    await bench.settle()
    expect(bench.cluster.all(pods).map(imageOf)).toEqual(['app:2'])
  })
})

describe('the history', () => {
  it('keeps each template as a patch that brings it back', async () => {
    await standing({ annotations: { 'kubernetes.io/change-cause': 'first' } }, ['a'])
    const [first] = revisions()
    const hash = first?.metadata.labels?.['controller-revision-hash']
    expect(first).toMatchObject({
      revision: 1,
      metadata: {
        name: `web-${hash}`,
        labels: { app: 'web' },
        annotations: { 'kubernetes.io/change-cause': 'first' },
        ownerReferences: [{ kind: 'DaemonSet', name: 'web', controller: true }],
      },
      data: { spec: { template: { $patch: 'replace', spec: { containers: [{ image: 'app:1' }] } } } },
    })
  })

  it('brings an older revision to the front when its template returns', async () => {
    await standing({}, ['a'])
    setImage('app:2')
    await bench.settle()
    await rounds(3)
    setImage('app:1')
    await bench.settle()
    await rounds(3)
    expect(revisions().map(({ revision }) => revision)).toEqual([2, 3])
    expect(bench.cluster.all(pods).map(imageOf)).toEqual(['app:1'])
  })

  it('has room for as many revisions as its limit says', async () => {
    await standing({ spec: { revisionHistoryLimit: 1 } }, ['a'])
    for (const image of ['app:2', 'app:3', 'app:4']) {
      setImage(image)
      await bench.settle()
      await rounds(3)
    }
    expect(revisions().map(({ revision }) => revision)).toEqual([3, 4])
  })

  it('takes another hash when the name of a revision is taken', async () => {
    await standing({}, ['a'])
    const taken = structuredClone(revisions()[0] as ControllerRevision)
    await bench.stop()
    bench.cluster.remove(controllerRevisions, { namespace: 'default', name: taken.metadata.name })
    delete taken.metadata.ownerReferences
    const metadata = { ...taken.metadata, labels: { app: 'other' } }
    bench.cluster.seed(controllerRevisions, { ...taken, data: {}, metadata })
    await bench.start()
    expect(status()?.collisionCount).toBe(1)
    expect(revisions()).toHaveLength(2)
  })

  it('makes one of two revisions of a template, and their pods those of the one', async () => {
    await standing({}, ['a', 'b'])
    const [only] = revisions()
    await bench.stop()
    const twin = structuredClone(only as ControllerRevision)
    delete twin.metadata.uid
    Object.assign(twin.metadata, { name: 'web-twin', labels: { app: 'web', 'controller-revision-hash': 'twin' } })
    bench.cluster.seed(controllerRevisions, { ...twin, revision: 5 })
    await bench.start()
    expect(revisions().map(({ metadata }) => metadata.name)).toEqual(['web-twin'])
    const labels = bench.cluster.all(pods).map(({ metadata }) => metadata.labels?.['controller-revision-hash'])
    expect(labels).toEqual(['twin', 'twin'])
  })
})

it('leaves everything as it is while it is being deleted', async () => {
  await standing({}, ['a'])
  bench.cluster.change(daemonSets, key, (set) => {
    set.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
    set.metadata.finalizers = ['foregroundDeletion']
  })
  bench.cluster.remove(pods, { namespace: 'default', name: bench.only(pods).metadata.name })
  await bench.settle()
  expect(bench.cluster.all(pods)).toEqual([])
})

it('does nothing on the second pass', async () => {
  await standing()
  const writes = bench.writesFromHere()
  await bench.stop()
  await bench.start()
  await bench.pass(600_000)
  expect(writes()).toEqual([])
})
