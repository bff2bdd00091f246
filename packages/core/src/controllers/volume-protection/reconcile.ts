import { keyOf, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  persistentVolumes,
  type Pod,
  pods,
  type ResourceDefinition,
  type VolumeAttributesClass,
  volumeAttributesClasses,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { claimsOfPod, whyNotForPod } from '../../volumes/pod-claims.ts'
import { planProtection } from './plan.ts'

/**
 * Three controllers of one kind: what is in use is not deleted, because a finalizer holds it until nobody uses it any more (upstream
 * `pvcprotection`, `pvprotection`, `vacprotection`).
 */

interface Protection<T extends KubernetesObject> {
  readonly resource: ResourceDefinition<T>
  readonly finalizer: string
  isUsed(object: T, context: ReconcileContext): Promise<boolean>
}

async function reconcile<T extends KubernetesObject>(
  { resource, finalizer, isUsed }: Protection<T>,
  key: ObjectKey,
  context: ReconcileContext,
): Promise<Result> {
  const object = context.informer(resource).get(key)
  if (object === undefined) return done
  const plan = planProtection(object, finalizer)
  if (plan === 'nothing' || (plan === 'removeUnlessUsed' && (await isUsed(object, context)))) return done
  const others = (object.metadata.finalizers ?? []).filter((name) => name !== finalizer)
  const finalizers = plan === 'addFinalizer' ? [...others, finalizer] : others
  await context.client.update(resource, { ...object, metadata: { ...object.metadata, finalizers } })
  return done
}

const claimProtection: Protection<PersistentVolumeClaim> = {
  resource: persistentVolumeClaims,
  finalizer: 'kubernetes.io/pvc-protection',
  async isUsed(claim, { client, informer }) {
    const uses = (pod: Pod): boolean => usesClaim(pod, claim)
    const { namespace = '' } = claim.metadata
    if (informer(pods).byIndex(podIndex, textOf(claim.metadata)).some(uses)) return true
    // The cache may not know a pod yet that has been bound: only the server can tell that there is none.
    return (await client.list(pods, { namespace })).items.some(uses)
  },
}

const podIndex = 'protection/claim'
const textOf = ({ namespace = '', name }: { namespace?: string; name: string }): string => `${namespace}/${name}`

/** Keeps claims while pods that have a node use them. */
export const claimProtectionController: Controller = {
  name: 'persistentvolumeclaim-protection',
  reconciles: persistentVolumeClaims,
  watches: [{ resource: pods, keysOf: claimsBeingDeleted }],
  prepare({ informer }) {
    informer(pods).addIndex(podIndex, (pod) =>
      claimsOfPod(pod).map(({ claimName: name }) => textOf({ ...pod.metadata, name })),
    )
  },
  reconcile: (key, context) => reconcile(claimProtection, key, context),
}

function* claimsBeingDeleted(pod: Pod, { informer }: ReconcileContext, old: Pod | undefined): Iterable<ObjectKey> {
  for (const user of old === undefined ? [pod] : [pod, old]) {
    for (const { claimName: name } of claimsOfPod(user)) {
      const key = { namespace: user.metadata.namespace ?? '', name }
      if (informer(persistentVolumeClaims).get(key)?.metadata.deletionTimestamp !== undefined) yield key
    }
  }
}

// A pod without a node does not count: no kubelet starts a pod with a claim that is being deleted.
function usesClaim(pod: Pod, claim: PersistentVolumeClaim): boolean {
  if (!pod.spec?.nodeName || pod.metadata.namespace !== claim.metadata.namespace) return false
  return claimsOfPod(pod).some(({ claimName, isEphemeral }) => {
    if (claimName !== claim.metadata.name) return false
    // A pod that its kubelet is done with may wait for a finalizer that in turn waits for the claim.
    return !isEphemeral || (!isShutDown(pod) && whyNotForPod(pod, claim) === undefined)
  })
}

function isShutDown({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0
}

const volumeProtection: Protection<PersistentVolume> = {
  resource: persistentVolumes,
  finalizer: 'kubernetes.io/pv-protection',
  isUsed: async (volume) => volume.status?.phase === 'Bound',
}

/** Keeps volumes while they are bound to a claim. */
export const volumeProtectionController: Controller = {
  name: 'persistentvolume-protection',
  reconciles: persistentVolumes,
  reconcile: (key, context) => reconcile(volumeProtection, key, context),
}

const attributesClassProtection: Protection<VolumeAttributesClass> = {
  resource: volumeAttributesClasses,
  finalizer: 'kubernetes.io/vac-protection',
  async isUsed({ metadata: { name } }, { client, informer }) {
    const isNamed = (object: PersistentVolume | PersistentVolumeClaim): boolean =>
      attributesClassesOf(object).includes(name)
    if (informer(persistentVolumeClaims).byIndex(attributesIndex, name).length > 0) return true
    if (informer(persistentVolumes).byIndex(attributesIndex, name).length > 0) return true
    if ((await client.list(persistentVolumeClaims)).items.some(isNamed)) return true
    return (await client.list(persistentVolumes)).items.some(isNamed)
  },
}

const attributesIndex = 'protection/attributes'

/** Keeps VolumeAttributesClasses while claims or volumes have, had or are to get them. */
export const attributesClassProtectionController: Controller = {
  name: 'volumeattributesclass-protection',
  reconciles: volumeAttributesClasses,
  watches: [
    { resource: persistentVolumeClaims, keysOf: classesBeingDeleted },
    { resource: persistentVolumes, keysOf: classesBeingDeleted },
  ],
  prepare({ informer }) {
    informer(persistentVolumeClaims).addIndex(attributesIndex, attributesClassesOf)
    informer(persistentVolumes).addIndex(attributesIndex, attributesClassesOf)
  },
  reconcile: (key, context) => reconcile(attributesClassProtection, key, context),
}

function attributesClassesOf({ spec, status }: PersistentVolume | PersistentVolumeClaim): string[] {
  const { currentVolumeAttributesClassName, modifyVolumeStatus } = (status ?? {}) as NonNullable<
    PersistentVolumeClaim['status']
  >
  const names = [
    spec?.volumeAttributesClassName,
    currentVolumeAttributesClassName,
    modifyVolumeStatus?.targetVolumeAttributesClassName,
  ]
  return [...new Set(names.filter((name) => name !== undefined && name !== ''))] as string[]
}

function* classesBeingDeleted(
  object: PersistentVolume | PersistentVolumeClaim,
  { informer }: ReconcileContext,
  old: PersistentVolume | PersistentVolumeClaim | undefined,
): Iterable<ObjectKey> {
  for (const name of [...attributesClassesOf(object), ...(old === undefined ? [] : attributesClassesOf(old))]) {
    const found = informer(volumeAttributesClasses).get({ namespace: '', name })
    if (found?.metadata.deletionTimestamp !== undefined) yield keyOf(found)
  }
}
