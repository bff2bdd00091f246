import { controllerOf } from '@binnacle/apimachinery'
import { events, persistentVolumeClaims, pods } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { aClaim } from '../../volumes/volume-objects.ts'
import { ControllerBench } from '../controller-bench.ts'
import { ephemeralVolumeController } from './reconcile.ts'

let bench: ControllerBench

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  bench = new ControllerBench({ controllers: [ephemeralVolumeController] })
})
afterEach(async () => {
  await bench.stop()
  vi.useRealTimers()
})

const { spec } = aClaim()
const volumes = [
  {
    name: 'scratch',
    ephemeral: { volumeClaimTemplate: { metadata: { labels: { a: 'b' } } as never, spec: spec ?? {} } },
  },
  { name: 'other', emptyDir: {} },
]
const seedPod = (metadata: object = {}) => {
  const pod = aPod({ name: 'web' })
  return bench.cluster.seed(pods, {
    ...pod,
    metadata: { ...pod.metadata, ...metadata },
    spec: { ...pod.spec, volumes } as typeof pod.spec & object,
  })
}

describe('ephemeralVolumeController', () => {
  it('creates the claim of an ephemeral volume, which the pod owns', async () => {
    const pod = seedPod()
    await bench.start()
    const claim = bench.only(persistentVolumeClaims)
    expect(claim.metadata).toMatchObject({ name: 'web-scratch', namespace: 'default', labels: { a: 'b' } })
    expect(controllerOf(claim)).toMatchObject({ kind: 'Pod', name: 'web', uid: pod.metadata.uid })
    expect(claim.spec).toEqual(spec)
  })

  it('creates it again when somebody deletes it', async () => {
    seedPod()
    await bench.start()
    bench.cluster.remove(persistentVolumeClaims, { namespace: 'default', name: 'web-scratch' })
    await bench.settle()
    expect(bench.only(persistentVolumeClaims).metadata.name).toBe('web-scratch')
  })

  it("takes no claim of that name that is not the pod's", async () => {
    bench.cluster.seed(persistentVolumeClaims, aClaim('web-scratch'))
    seedPod()
    await bench.start().catch(() => undefined)
    expect(bench.cluster.all(events)[0]?.message).toBe(
      'ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web (pod is not owner)',
    )
  })

  it('creates none for a pod that is being deleted', async () => {
    seedPod({ deletionTimestamp: '2026-01-01T00:00:00Z' })
    await bench.start()
    expect(bench.cluster.all(persistentVolumeClaims)).toEqual([])
  })
})
