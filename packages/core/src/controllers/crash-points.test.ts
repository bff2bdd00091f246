import { controllerOf, type KubernetesObject } from '@binnacle/apimachinery'
import {
  builtInRegistry,
  configMaps,
  cronJobs,
  type Deployment,
  deployments,
  endpoints,
  endpointSlices,
  jobs,
  namespaces,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  replicaSets,
  type ResourceDefinition,
  serviceAccounts,
  services,
  statefulSets,
  storageClasses,
} from '@binnacle/resources'
import { aCronJob, aDeployment, aNamespace, aService, aStatefulSet, type FakeCluster } from '@binnacle/testing'
import { describe, it } from 'vitest'
import { isPodActive } from '../pod-state.ts'
import { aHost, aStorageClass } from '../volumes/volume-objects.ts'
import { type ControllerBench, runPod } from './controller-bench.ts'
import { expectSameEndOnStaleViews, expectSameEndWhereverKilled, type Scenario } from './crash-points.ts'
import { cronJobController } from './cron-job/reconcile.ts'
import { deploymentController } from './deployment/reconcile.ts'
import { endpointSliceController } from './endpoint-slice/reconcile.ts'
import { endpointsController } from './endpoints/reconcile.ts'
import { GarbageCollector } from './garbage-collector/collector.ts'
import { activePods, endPod, startPods, stopDeletedPods } from './job/job-bench.ts'
import { jobOrphanPodController } from './job/orphan-pods.ts'
import { jobController } from './job/reconcile.ts'
import { localPathController } from './local-path-provisioner/reconcile.ts'
import { namespaceController } from './namespace/reconcile.ts'
import { persistentVolumeController } from './persistent-volume/reconcile.ts'
import { replicaSetController } from './replica-set/reconcile.ts'
import { rootCaController, serviceAccountController } from './service-account/reconcile.ts'
import { statefulSetController } from './stateful-set/reconcile.ts'
import { ttlAfterFinishedController } from './ttl-after-finished/reconcile.ts'
import { claimProtectionController, volumeProtectionController } from './volume-protection/reconcile.ts'

/** Controllers that work on the same objects, killed together. */

const registry = builtInRegistry()
const collector = () => [new GarbageCollector(registry)]
const web = { namespace: 'default', name: 'web' }

async function rounds(bench: ControllerBench, count: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    bench.runPods()
    await bench.pass(2000)
  }
}

/** @throws Error when an object is owned by nobody that is there */
function checkOwners(cluster: FakeCluster, owned: readonly KubernetesObject[]): void {
  const owners: ResourceDefinition<any>[] = [
    deployments,
    replicaSets,
    cronJobs,
    jobs,
    statefulSets,
    pods,
    services,
    endpoints,
    namespaces,
  ]
  const alive = new Set(owners.flatMap((resource) => cluster.all(resource).map(({ metadata }) => metadata.uid)))
  for (const { kind, metadata } of owned)
    for (const { uid } of metadata.ownerReferences ?? [])
      if (!alive.has(uid)) throw new Error(`${kind} ${metadata.name} is an orphan`)
}

/** @throws Error when Endpoints or slices are not the addresses of the pods that run */
function checkEndpoints(cluster: FakeCluster): void {
  const wanted = cluster.all(pods).flatMap((pod) => (isPodActive(pod) ? [pod.status?.podIP ?? ''] : []))
  const sliced = cluster.all(endpointSlices).flatMap((slice) => (slice.endpoints ?? []).flatMap((e) => e.addresses))
  const listed = cluster
    .all(endpoints)
    .flatMap(({ subsets = [] }) => subsets.flatMap(({ addresses = [] }) => addresses.map(({ ip }) => ip)))
  const texts = [wanted, sliced, listed].map((addresses) => addresses.toSorted().join(' '))
  if (new Set(texts).size !== 1) throw new Error(`pods, slices and Endpoints differ: ${texts.join('; ')}`)
}

/** A Deployment behind a Service is rolled and scaled; another one goes. */
const serving: Scenario = {
  controllers: () => [deploymentController, replicaSetController(), endpointsController(), endpointSliceController()],
  runnables: collector,
  compares: [deployments, replicaSets, pods, services],
  ignores: ['message'],
  async run(bench) {
    const { cluster } = bench
    const change = (edit: (spec: NonNullable<Deployment['spec']>) => void): unknown =>
      cluster.change(deployments, web, (deployment) => {
        if (deployment.spec !== undefined) edit(deployment.spec)
        deployment.metadata.generation = (deployment.metadata.generation ?? 0) + 1
      })
    cluster.seed(nodes, aHost('node-1'))
    cluster.seed(services, aService())
    cluster.seed(deployments, aDeployment({ replicas: 2, spec: { revisionHistoryLimit: 0 } }))
    cluster.seed(deployments, aDeployment({ name: 'other', replicas: 1 }))
    await bench.start()
    await rounds(bench, 3)
    await cluster.delete(deployments, { ...web, name: 'other' }, { propagationPolicy: 'Foreground' })
    change(({ template }) => {
      for (const container of template.spec?.containers ?? []) container.image = 'app:2'
    })
    await rounds(bench, 12)
    change((spec) => void (spec.replicas = 1))
    await rounds(bench, 12)
    checkEndpoints(cluster)
    checkOwners(cluster, [...cluster.all(pods), ...cluster.all(replicaSets), ...cluster.all(endpointSlices)])
  },
}

/** Jobs come at full hours, run, and go half an hour after their end. */
const recurring: Scenario = {
  controllers: () => [cronJobController(), jobController(), jobOrphanPodController, ttlAfterFinishedController],
  runnables: collector,
  compares: [cronJobs, jobs, pods],
  ignores: [
    'completionTime',
    'lastSuccessfulTime',
    'controller-uid',
    'batch.kubernetes.io/controller-uid',
    'lastProbeTime',
    'finishedAt',
    'startedAt',
  ],
  onStep(cluster) {
    const running = cluster
      .all(pods)
      .filter(isPodActive)
      .map((pod) => controllerOf(pod)?.name)
    if (new Set(running).size !== running.length) throw new Error(`a run is doubled: ${running.join(', ')}`)
  },
  async run(bench) {
    const spec = { ttlSecondsAfterFinished: 1800, template: podTemplate }
    bench.cluster.seed(cronJobs, aCronJob({ spec: { concurrencyPolicy: 'Forbid', jobTemplate: { spec } } }))
    await bench.start()
    for (let step = 0; step < 24; step++) {
      await bench.pass(10 * 60_000)
      startPods(bench.cluster)
      for (const pod of activePods(bench.cluster)) endPod(bench.cluster, pod)
      stopDeletedPods(bench.cluster)
    }
    await bench.pass(60_000)
    checkOwners(bench.cluster, [...bench.cluster.all(jobs), ...bench.cluster.all(pods)])
  },
}
const podTemplate = { spec: { containers: [{ name: 'app', image: 'app:1' }], restartPolicy: 'Never' } }

/** A StatefulSet gets a volume for each pod from the provisioner, shrinks, grows again, and goes with everything. */
const stateful = (whenScaled: string): Scenario => ({
  controllers: () => [
    statefulSetController,
    persistentVolumeController(),
    localPathController,
    claimProtectionController,
    volumeProtectionController,
  ],
  runnables: collector,
  compares: [statefulSets, pods, persistentVolumeClaims, persistentVolumes],
  ignores: ['name', 'volumeName', 'path', 'claimRef'],
  async run(bench) {
    const { cluster } = bench
    cluster.seed(nodes, aHost('node-1'))
    cluster.seed(storageClasses, aStorageClass('standard', { volumeBindingMode: 'Immediate' }))
    const set = aStatefulSet({ replicas: 2, claims: ['data'] })
    const [template] = set.spec?.volumeClaimTemplates ?? []
    if (template?.spec !== undefined) template.spec.storageClassName = 'standard'
    Object.assign(set.spec ?? {}, { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled } })
    cluster.seed(statefulSets, set)
    await bench.start()
    await rounds(bench, 6)
    for (const replicas of [1, 2]) {
      cluster.change(statefulSets, web, (changed) => {
        Object.assign(changed.spec ?? {}, { replicas })
        changed.metadata.generation = (changed.metadata.generation ?? 0) + 1
      })
      await rounds(bench, 8)
    }
    checkOwners(cluster, [...cluster.all(pods), ...cluster.all(persistentVolumeClaims)])
  },
})

/** A namespace goes while what is in it is still being made. */
const emptied: Scenario = {
  controllers: () => [
    namespaceController(registry),
    serviceAccountController,
    rootCaController('authority'),
    deploymentController,
    replicaSetController(),
    endpointsController(),
    endpointSliceController(),
  ],
  runnables: collector,
  compares: [
    namespaces,
    deployments,
    replicaSets,
    pods,
    services,
    endpoints,
    endpointSlices,
    configMaps,
    serviceAccounts,
  ],
  async run(bench) {
    const { cluster } = bench
    cluster.seed(namespaces, aNamespace('shop'))
    cluster.seed(namespaces, aNamespace('other'))
    cluster.seed(services, aService({ namespace: 'shop' }))
    cluster.seed(deployments, aDeployment({ namespace: 'shop', replicas: 2 }))
    await bench.start()
    for (const pod of cluster.all(pods).slice(0, 1)) runPod(cluster, pod, true)
    await cluster.delete(namespaces, { namespace: '', name: 'shop' })
    for (let round = 0; round < 8; round++) {
      await bench.pass(10_000)
      bench.runPods()
    }
    await bench.pass(20_000)
    const left = cluster.all(namespaces).map(({ metadata }) => metadata.name)
    if (left.includes('shop')) throw new Error('the namespace never goes')
  },
}

describe.each<[string, Scenario]>([
  ['a Deployment behind a Service', serving],
  ['a CronJob whose jobs expire', recurring],
  ['a StatefulSet with volumes that are kept', stateful('Retain')],
  ['a StatefulSet with volumes that go with their pods', stateful('Delete')],
  ['a namespace with content that is deleted', emptied],
])('%s', (_, scenario) => {
  it('ends the same wherever the controllers are killed', () => expectSameEndWhereverKilled(scenario))
  it('ends the same on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3, 4, 5, 6]))
})
