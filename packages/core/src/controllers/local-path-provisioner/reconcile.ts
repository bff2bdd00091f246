import { compareQuantities, isAlreadyExists, isNotFound, type ObjectKey, parseQuantity } from '@binnacle/apimachinery'
import {
  nodes,
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import {
  provisionedByAnnotation,
  selectedNodeAnnotation,
  storageClassNameOf,
  storageProvisionerAnnotation,
} from '../../volumes/volume-annotations.ts'
import { requestedStorage } from '../../volumes/volume-matching.ts'
import { wantsMore } from '../volume-expansion/reconcile.ts'
import { isToBeDeleted, localPathProvisioner, planProvisioning, statusExpanded, volumeNameFor } from './plan.ts'

/**
 * Makes volumes out of directories of nodes, for classes with the provisioner `binnacle.dev/local-path`. To the rest it is what an external
 * provisioner and resizer is (sig-storage-lib-external-provisioner, external-resizer): the same annotations, the same events. One queue
 * holds both kinds: a key with a namespace is a claim, one without is a volume.
 */
export const localPathController: Controller = {
  name: 'local-path-provisioner',
  reconciles: persistentVolumeClaims,
  watches: [
    {
      resource: persistentVolumes,
      keysOf: (volume: PersistentVolume) => [{ namespace: '', name: volume.metadata.name }],
    },
  ],
  reads: [nodes, storageClasses],
  reconcile: (key, context) => (key.namespace === '' ? reconcileVolume(key, context) : reconcileClaim(key, context)),
}

async function reconcileClaim(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  const claim = context.informer(persistentVolumeClaims).get(key)
  if (claim === undefined) return done
  if (wantsMore(claim)) return await expand(claim, context)
  const isAsked = claim.metadata.annotations?.[storageProvisionerAnnotation] === localPathProvisioner
  if (!isAsked || claim.spec?.volumeName || claim.metadata.deletionTimestamp !== undefined) return done
  return await provision(claim, context)
}

async function provision(claim: PersistentVolumeClaim, context: ReconcileContext): Promise<Result> {
  const className = storageClassNameOf(claim)
  const storageClass = context.informer(storageClasses).get({ namespace: '', name: className })
  const volumeName = volumeNameFor(claim)
  const isMade = context.informer(persistentVolumes).get({ namespace: '', name: volumeName }) !== undefined
  if (isMade || storageClass?.provisioner !== localPathProvisioner) return done
  const nodeName = claim.metadata.annotations?.[selectedNodeAnnotation]
  const node = nodeName ? context.informer(nodes).get({ namespace: '', name: nodeName }) : undefined
  const plan = planProvisioning(claim, storageClass, node)
  if (plan.kind === 'wait') return done
  const { namespace, name } = claim.metadata
  context.events.record(
    claim,
    'Normal',
    'Provisioning',
    `External provisioner is provisioning volume for claim "${namespace}/${name}"`,
  )
  if (plan.kind === 'create') {
    await context.client.create(persistentVolumes, plan.volume).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
    const message = `Successfully provisioned volume ${volumeName}`
    context.events.record(claim, 'Normal', 'ProvisioningSucceeded', message)
    return done
  }
  const message = `failed to provision volume with StorageClass "${className}": ${plan.problem}`
  context.events.record(claim, 'Warning', 'ProvisioningFailed', message)
  if (plan.kind === 'reschedule') {
    const { [selectedNodeAnnotation]: _node, ...annotations } = claim.metadata.annotations ?? {}
    await context.client.update(persistentVolumeClaims, { ...claim, metadata: { ...claim.metadata, annotations } })
  }
  return done
}

// A directory has no size of its own: it is as large as the objects say.
async function expand(claim: PersistentVolumeClaim, { client, events, informer }: ReconcileContext): Promise<Result> {
  const volume = informer(persistentVolumes).get({ namespace: '', name: claim.spec?.volumeName ?? '' })
  const isOwn = volume?.metadata.annotations?.[provisionedByAnnotation] === localPathProvisioner
  if (volume === undefined || !isOwn || volume.spec?.claimRef?.uid !== claim.metadata.uid) return done
  const storage = requestedStorage(claim)
  events.record(claim, 'Normal', 'Resizing', `External resizer is resizing volume ${volume.metadata.name}`)
  if (compareQuantities(parseQuantity(volume.spec?.capacity?.['storage'] ?? '0'), parseQuantity(storage)) < 0)
    await client.update(persistentVolumes, {
      ...volume,
      spec: { ...volume.spec, capacity: { ...volume.spec?.capacity, storage } },
    })
  const status = statusExpanded(claim, storage)
  await client.updateStatus(persistentVolumeClaims, { ...claim, ...(status === undefined ? {} : { status }) })
  events.record(claim, 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded')
  return done
}

async function reconcileVolume(key: ObjectKey, { client, informer }: ReconcileContext): Promise<Result> {
  const volume = informer(persistentVolumes).get(key)
  if (volume === undefined || !isToBeDeleted(volume)) return done
  const { uid = '' } = volume.metadata
  await client.delete(persistentVolumes, key, { preconditions: { uid } }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
  return done
}
