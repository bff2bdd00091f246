import { controllerOf } from '@binnacle/apimachinery'
import {
  events,
  type Pod,
  pods,
  resourceClaims,
  type ResourceClaimTemplate,
  resourceClaimTemplates,
  type ResourceClaimV1,
} from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControllerBench } from '../controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { allocationFinalizer, claimFromTemplate, planRelease, podClaimAnnotation } from './plan.ts'
import { podResourceClaimController, resourceClaimController } from './reconcile.ts'

const controllers = () => [podResourceClaimController(), resourceClaimController]
const podKey = { namespace: 'default', name: 'train' }
let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: controllers() })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const exactly = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 }
const spec = { devices: { requests: [{ name: 'gpu', exactly }] } }
const template: ResourceClaimTemplate = {
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaimTemplate',
  metadata: { name: 'gpus', namespace: 'default' },
  spec: { metadata: { labels: { a: 'b' } } as never, spec },
}

function aTrainingPod(fields: Partial<NonNullable<Pod['spec']>> = {}): Pod {
  const pod = aPod({ name: 'train' })
  const resourceClaims = [{ name: 'gpu', resourceClaimTemplateName: 'gpus' }]
  return { ...pod, spec: { ...pod.spec, resourceClaims, ...fields } as Pod['spec'] & object }
}

const allocated = (podUid: string): Partial<ResourceClaimV1> => ({
  status: {
    allocation: { devices: { results: [{ device: 'gpu-0', driver: 'd', pool: 'p', request: 'gpu' }] } },
    reservedFor: [{ resource: 'pods', name: 'train', uid: podUid }],
  },
})

function allocate({ cluster }: ControllerBench): void {
  const [claim] = cluster.all(resourceClaims)
  const [pod] = cluster.all(pods)
  if (claim === undefined || pod === undefined) return
  cluster.change(resourceClaims, { namespace: 'default', name: claim.metadata.name }, (changed) => {
    changed.metadata.finalizers = [allocationFinalizer]
    Object.assign(changed, allocated(pod.metadata.uid ?? ''))
  })
}

const finish = ({ cluster }: ControllerBench) =>
  cluster.change(pods, podKey, (pod) => void (pod.status = { ...pod.status, phase: 'Succeeded' }))

describe('the resource claim controllers', () => {
  it('make the claim of a template, and tell the pod its name', async () => {
    bench.cluster.seed(resourceClaimTemplates, template)
    bench.cluster.seed(pods, aTrainingPod())
    await bench.start()
    const claim = bench.only(resourceClaims)
    expect(claim.metadata.name).toMatch(/^train-gpu-[a-z0-9]{5}$/)
    expect(claim.metadata).toMatchObject({ labels: { a: 'b' }, annotations: { [podClaimAnnotation]: 'gpu' } })
    expect(controllerOf(claim)?.uid).toBe(bench.only(pods).metadata.uid)
    expect(claim.spec).toEqual(spec)
    expect(bench.only(pods).status?.resourceClaimStatuses).toEqual([
      { name: 'gpu', resourceClaimName: claim.metadata.name },
    ])
  })

  it('do nothing on the second pass', async () => {
    bench.cluster.seed(resourceClaimTemplates, template)
    bench.cluster.seed(pods, aTrainingPod())
    await bench.start()
    const writes = bench.writesFromHere()
    await bench.stop()
    await bench.start()
    await bench.pass(600_000)
    expect(writes()).toEqual([])
  })

  it('wait for the template, and say so', async () => {
    bench.cluster.seed(pods, aTrainingPod())
    await bench.start()
    expect(bench.cluster.all(events)[0]?.message).toBe(
      'PodResourceClaim gpu: resource claim template "gpus": resourceclaimtemplate.resource.k8s.io "gpus" not found',
    )
    bench.cluster.seed(resourceClaimTemplates, template)
    await bench.settle()
    expect(bench.cluster.all(resourceClaims)).toHaveLength(1)
  })

  it('set an allocated claim aside for a pod that was given a node by hand', async () => {
    const claim = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', spec } as ResourceClaimV1
    const metadata = { name: 'shared', namespace: 'default' }
    bench.cluster.seed(resourceClaims, { ...claim, metadata, status: { allocation: {} } })
    const claims = [{ name: 'gpu', resourceClaimName: 'shared' }]
    const pod = bench.cluster.seed(pods, aTrainingPod({ resourceClaims: claims, nodeName: 'node-1' }))
    await bench.start()
    expect(bench.only(resourceClaims).status?.reservedFor).toEqual([
      { resource: 'pods', name: 'train', uid: pod.metadata.uid },
    ])
  })

  it('give up the devices and delete the claim when its pod has ended', async () => {
    bench.cluster.seed(resourceClaimTemplates, template)
    bench.cluster.seed(pods, aTrainingPod())
    await bench.start()
    allocate(bench)
    await bench.settle()
    expect(bench.only(resourceClaims).status?.reservedFor).toHaveLength(1)
    finish(bench)
    await bench.settle()
    expect(bench.cluster.all(resourceClaims)).toEqual([])
  })

  it('keep a claim that a user made, without the devices', async () => {
    const claim = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', spec } as ResourceClaimV1
    const metadata = { name: 'shared', namespace: 'default', finalizers: [allocationFinalizer] }
    bench.cluster.seed(resourceClaims, { ...claim, metadata, ...allocated('gone') })
    await bench.start()
    const kept = bench.only(resourceClaims)
    expect([kept.status, kept.metadata.finalizers ?? []]).toEqual([{}, []])
  })
})

describe('a claim', () => {
  it('is named after pod and entry, each as far as there is room', () => {
    const pod = { ...aPod({ name: 'p'.repeat(60) }) }
    const { generateName } = claimFromTemplate(pod, { name: 'c'.repeat(20) }, template).metadata
    expect(generateName).toBe(`${'p'.repeat(41)}-${'c'.repeat(13)}`)
  })

  it('stays as it is while one of its consumers is left', () => {
    const claim = { apiVersion: 'v1', kind: 'ResourceClaim', metadata: { name: 'c' }, spec, ...allocated('a') }
    claim.status?.reservedFor?.push({ resource: 'pods', name: 'b', uid: 'b' })
    const plan = planRelease(claim, (uid) => uid === 'b', undefined)
    expect(plan).toMatchObject({ dropsFinalizer: false, isToBeDeleted: false })
    expect(plan.status?.reservedFor?.map(({ uid }) => uid)).toEqual(['b'])
    expect(plan.status?.allocation).toBeDefined()
  })
})

// Names are generated, and pods tell them: claims alone are compared.
const story = (ends: boolean): Scenario => ({
  controllers,
  compares: [resourceClaims],
  onStep: (cluster) => {
    const count = cluster.all(resourceClaims).length
    if (count > 1) throw new Error(`${count} claims for one`)
  },
  async run(stage) {
    stage.cluster.seed(resourceClaimTemplates, template)
    stage.cluster.seed(pods, aTrainingPod())
    await stage.start()
    await stage.settle()
    allocate(stage)
    await stage.settle()
    if (ends) finish(stage)
    await stage.settle()
  },
})

describe('the resource claim controllers, disturbed', () => {
  it.each([false, true])('reach the same end wherever they are killed (the pod ends: %s)', (ends) =>
    expectSameEndWhereverKilled(story(ends)),
  )
  it.each([false, true])('reach the same end on stale views (the pod ends: %s)', (ends) =>
    expectSameEndOnStaleViews(story(ends), [1, 2, 3, 4]),
  )
})
