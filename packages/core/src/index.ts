/**
 * The control loops: controllers, garbage collector, scheduler, and the manager that runs them. They see the cluster through a Client and nothing
 * else: neither store nor API server.
 */
import type { ResourceRegistry } from '@binnacle/resources'
import type { Controller, Runnable } from './controller.ts'
import { cronJobController } from './controllers/cron-job/reconcile.ts'
import { customResourceCleanupController } from './controllers/custom-resource-cleanup/reconcile.ts'
import { customResourceDefinitionController } from './controllers/custom-resource-definition/reconcile.ts'
import { daemonSetController } from './controllers/daemon-set/reconcile.ts'
import { deploymentController } from './controllers/deployment/reconcile.ts'
import { clusterRoleAggregationController } from './controllers/cluster-role-aggregation/reconcile.ts'
import { eventExpiry } from './controllers/event-expiry/expire.ts'
import { disruptionController } from './controllers/disruption/reconcile.ts'
import { staleDisruptionController } from './controllers/stale-disruption/reconcile.ts'
import { endpointSliceMirroringController } from './controllers/endpoint-slice-mirroring/reconcile.ts'
import { endpointSliceController } from './controllers/endpoint-slice/reconcile.ts'
import { endpointsController } from './controllers/endpoints/reconcile.ts'
import { horizontalPodAutoscalerController } from './controllers/horizontal-pod-autoscaler/reconcile.ts'
import { ephemeralVolumeController } from './controllers/ephemeral-volume/reconcile.ts'
import { localPathController } from './controllers/local-path-provisioner/reconcile.ts'
import { jobOrphanPodController } from './controllers/job/orphan-pods.ts'
import { jobController } from './controllers/job/reconcile.ts'
import { namespaceController } from './controllers/namespace/reconcile.ts'
import { persistentVolumeController } from './controllers/persistent-volume/reconcile.ts'
import { replicaSetController } from './controllers/replica-set/reconcile.ts'
import { replicationControllerController } from './controllers/replication-controller/reconcile.ts'
import { resourceQuotaController } from './controllers/resource-quota/reconcile.ts'
import { podResourceClaimController, resourceClaimController } from './controllers/resource-claim/reconcile.ts'
import { rootCaController, serviceAccountController } from './controllers/service-account/reconcile.ts'
import { statefulSetController } from './controllers/stateful-set/reconcile.ts'
import { volumeExpansionController } from './controllers/volume-expansion/reconcile.ts'
import {
  attributesClassProtectionController,
  claimProtectionController,
  volumeProtectionController,
} from './controllers/volume-protection/reconcile.ts'
import { GarbageCollector } from './controllers/garbage-collector/collector.ts'
import { type NodeAddressing, nodeIpamController } from './controllers/node-ipam/reconcile.ts'
import { nodeLifecycleController } from './controllers/node-lifecycle/reconcile.ts'
import { podCollector } from './controllers/pod-gc/collect.ts'
import { legacyTokenCleaner } from './controllers/legacy-token-cleaner/clean.ts'
import { legacyTokenSigner } from './controllers/service-account-token/legacy-token.ts'
import { serviceAccountTokenController } from './controllers/service-account-token/reconcile.ts'
import { csrApprovingController } from './controllers/csr-approving/reconcile.ts'
import { csrCleaner } from './controllers/csr-cleaner/clean.ts'
import { csrSigningController } from './controllers/csr-signing/reconcile.ts'
import type { SigningAuthority } from './controllers/csr-signing/signing-policy.ts'
import { taintEvictionController } from './controllers/taint-eviction/reconcile.ts'
import { ttlAfterFinishedController } from './controllers/ttl-after-finished/reconcile.ts'

export * from './controller.ts'
export type { NodeAddressing } from './controllers/node-ipam/reconcile.ts'
export * from './manager.ts'
export {
  createScheduler,
  readSchedulerConfiguration,
  type SchedulerConfiguration,
  type SchedulerFigures,
  type SchedulerOptions,
  type SchedulerRunnable,
} from './scheduler/index.ts'

/** What some controllers need of the cluster: keys to sign with, addresses to give. Without it they do not run. */
export interface ClusterSetup {
  /** PEM text of the key that signs tokens of ServiceAccounts. */
  readonly serviceAccountKey?: string | undefined
  /** The authority that signs certificates. */
  readonly signingAuthority?: SigningAuthority | undefined
  /** How nodes get addresses for their pods. */
  readonly nodeAddressing?: NodeAddressing | undefined
}

/** Every controller. `rootCa` is the certificate authority to publish, where there is one. */
export function allControllers(
  registry: ResourceRegistry,
  rootCa: string | undefined,
  setup: ClusterSetup = {},
): readonly Controller[] {
  const { serviceAccountKey, signingAuthority, nodeAddressing } = setup
  return [
    deploymentController,
    replicaSetController(),
    replicationControllerController(),
    statefulSetController,
    resourceQuotaController(registry),
    jobController(),
    jobOrphanPodController,
    cronJobController(),
    ttlAfterFinishedController,
    daemonSetController(),
    disruptionController(registry),
    staleDisruptionController,
    clusterRoleAggregationController,
    horizontalPodAutoscalerController(registry),
    namespaceController(registry),
    customResourceDefinitionController,
    customResourceCleanupController,
    serviceAccountController,
    ...(rootCa === undefined ? [] : [rootCaController(rootCa)]),
    endpointsController(),
    endpointSliceController(),
    endpointSliceMirroringController,
    persistentVolumeController(),
    volumeExpansionController,
    claimProtectionController,
    volumeProtectionController,
    attributesClassProtectionController,
    ephemeralVolumeController,
    localPathController,
    podResourceClaimController(),
    resourceClaimController,
    nodeLifecycleController(),
    ...(nodeAddressing === undefined ? [] : [nodeIpamController(nodeAddressing)]),
    taintEvictionController(),
    ...(serviceAccountKey === undefined
      ? []
      : [serviceAccountTokenController(legacyTokenSigner(serviceAccountKey), rootCa)]),
    csrApprovingController(registry),
    ...(signingAuthority === undefined ? [] : [csrSigningController(signingAuthority)]),
  ]
}

/** Every loop that is no controller of single objects, but for the scheduler. */
export function allRunnables(registry: ResourceRegistry): readonly Runnable[] {
  return [new GarbageCollector(registry), podCollector(), csrCleaner(), legacyTokenCleaner(), eventExpiry()]
}
