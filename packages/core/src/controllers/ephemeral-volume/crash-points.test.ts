import {
  builtInRegistry,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  type VolumeAttributesClass,
  volumeAttributesClasses,
} from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { aClaim, aVolume } from '../../volumes/volume-objects.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from '../crash-points.ts'
import { GarbageCollector } from '../garbage-collector/collector.ts'
import { persistentVolumeController } from '../persistent-volume/reconcile.ts'
import {
  attributesClassProtectionController,
  claimProtectionController,
  volumeProtectionController,
} from '../volume-protection/reconcile.ts'
import { ephemeralVolumeController } from './reconcile.ts'

const { spec = {} } = aClaim()
const fast: VolumeAttributesClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'VolumeAttributesClass',
  metadata: { name: 'fast' },
  driverName: 'driver.example.com',
}

/** Two pods with volumes of their own; one goes, and its claim with it; a class goes once nobody names it. */
const scenario: Scenario = {
  controllers: () => [
    ephemeralVolumeController,
    persistentVolumeController(),
    claimProtectionController,
    volumeProtectionController,
    attributesClassProtectionController,
  ],
  runnables: () => [new GarbageCollector(builtInRegistry())],
  compares: [pods, persistentVolumeClaims, persistentVolumes, volumeAttributesClasses],
  async run(bench) {
    const { cluster } = bench
    cluster.seed(volumeAttributesClasses, fast)
    cluster.seed(persistentVolumeClaims, aClaim('named', { spec: { volumeAttributesClassName: 'fast' } }))
    for (const name of ['kept', 'going']) {
      cluster.seed(persistentVolumes, aVolume(`pv-${name}`, { spec: { storageClassName: name }, status: {} }))
      const pod = aPod({ name, nodeName: 'node-1', ready: true })
      const volumes = [
        { name: 'scratch', ephemeral: { volumeClaimTemplate: { spec: { ...spec, storageClassName: name } } } },
      ]
      cluster.seed(pods, { ...pod, spec: { ...pod.spec, volumes } as typeof pod.spec & object })
    }
    await bench.start()
    await cluster.delete(volumeAttributesClasses, { namespace: '', name: 'fast' })
    await bench.settle()
    cluster.remove(pods, { namespace: 'default', name: 'going' })
    for (let round = 0; round < 4; round++) await bench.pass(5000)
    await cluster.delete(persistentVolumeClaims, { namespace: 'default', name: 'named' })
    for (let round = 0; round < 4; round++) await bench.pass(5000)
  },
}

describe('volumes that pods bring along', () => {
  it('end the same wherever the controllers are killed', () => expectSameEndWhereverKilled(scenario))
  it('end the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4]))
})
