import { controllerOf, formatKey, isNotFound, keyOf, type ObjectKey } from '@binnacle/apimachinery'
import {
  type Pod,
  pods,
  resourceClaims,
  type ResourceClaimTemplate,
  resourceClaimTemplates,
  type ResourceClaimV1,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import {
  allocationFinalizer,
  claimFromTemplate,
  claimMadeFor,
  claimNameOf,
  isPodDone,
  isReservedFor,
  planRelease,
  type PodClaim,
} from './plan.ts'

/** Most consumers that a claim can be set aside for (`ResourceClaimReservedForMaxSize`). */
const reservedForMax = 256
const templateIndex = 'resource-claim/template'
const reservedIndex = 'resource-claim/pod'
const textOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`

/** Claims made that the pod, or the cache, may not show yet: by the pod's key, for one uid, by the entry's name. */
type MadeClaims = Map<string, { readonly uid: string; readonly names: Map<string, string> }>

/**
 * Makes the claims that pods take from templates, tells each pod which they are, and sets allocated claims aside for pods that were given a
 * node without (kube-controller-manager `resourceclaim`, the half that looks at pods).
 */
export function podResourceClaimController(): Controller {
  const made: MadeClaims = new Map()
  return {
    name: 'resource-claim',
    reconciles: pods,
    owns: [resourceClaims],
    watches: [{ resource: resourceClaimTemplates, keysOf: podsOfTemplate }],
    prepare({ informer }) {
      informer(pods).addIndex(templateIndex, ({ metadata, spec }) =>
        (spec?.resourceClaims ?? []).flatMap(({ resourceClaimTemplateName: name }) =>
          name === undefined ? [] : [textOf(metadata.namespace, name)],
        ),
      )
    },
    reconcile: (key, context) => reconcilePod(key, context, made),
  }
}

const podsOfTemplate = ({ metadata }: ResourceClaimTemplate, { informer }: ReconcileContext): ObjectKey[] =>
  informer(pods).byIndex(templateIndex, textOf(metadata.namespace, metadata.name)).map(keyOf)

async function reconcilePod(key: ObjectKey, context: ReconcileContext, made: MadeClaims): Promise<Result> {
  const pod = context.informer(pods).get(key)
  const text = formatKey(key)
  if (pod === undefined) made.delete(text)
  const entries = pod?.spec?.resourceClaims ?? []
  if (pod === undefined || entries.length === 0) return done
  if (pod.metadata.deletionTimestamp !== undefined || isPodDone(pod)) return done
  const statuses: { name: string; resourceClaimName: string }[] = []
  const { uid = '' } = pod.metadata
  if (made.get(text)?.uid !== uid) made.set(text, { uid, names: new Map() })
  const names = made.get(text)?.names as Map<string, string>
  for (const entry of entries) {
    const name = await ensureClaim(pod, entry, context, names).catch((error: Error) => {
      const message = `PodResourceClaim ${entry.name}: ${error.message}`
      context.events.record(pod, 'Warning', 'FailedResourceClaimCreation', message)
      throw error
    })
    if (name !== undefined) statuses.push({ name: entry.name, resourceClaimName: name })
  }
  if (statuses.length > 0) {
    const body = { metadata: { uid: pod.metadata.uid }, status: { resourceClaimStatuses: statuses } }
    await context.client.patch(pods, key, { type: 'strategic', body }, { subresource: 'status' })
  }
  if (pod.spec?.nodeName) await reserveAll(pod, entries, context)
  return done
}

/** Returns the name of the entry's claim where the pod does not know it yet. */
async function ensureClaim(
  pod: Pod,
  entry: PodClaim,
  context: ReconcileContext,
  made: Map<string, string>,
): Promise<string | undefined> {
  if (entry.resourceClaimTemplateName === undefined) return undefined
  const known = claimNameOf(pod, entry)
  if (known === '') return undefined
  for (const name of [known, made.get(entry.name)]) {
    const claim = name === undefined ? undefined : await find(pod, name, context)
    if (claim === undefined) continue
    if (controllerOf(claim)?.uid !== pod.metadata.uid) throw new Error(notOwned(pod, claim))
    return claim.metadata.name === known ? undefined : claim.metadata.name
  }
  const orphan = claimMadeFor(entry, context.informer(resourceClaims).ownedBy(pod.metadata.uid ?? ''))
  const { name } = (orphan ?? (await create(pod, entry, context))).metadata
  made.set(entry.name, name)
  return name
}

function notOwned(pod: Pod, claim: ResourceClaimV1): string {
  const { namespace, name } = pod.metadata
  return `ResourceClaim ${namespace}/${claim.metadata.name} was not created for pod ${namespace}/${name} (pod is not owner)`
}

// The cache may be behind: only the server can tell that there is none.
async function find(
  pod: Pod,
  name: string,
  { client, informer }: ReconcileContext,
): Promise<ResourceClaimV1 | undefined> {
  const key = { namespace: pod.metadata.namespace ?? '', name }
  const cached = informer(resourceClaims).get(key)
  if (cached !== undefined) return cached
  return await client.get(resourceClaims, key).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
}

async function create(pod: Pod, entry: PodClaim, { client, informer }: ReconcileContext): Promise<ResourceClaimV1> {
  const name = entry.resourceClaimTemplateName ?? ''
  const template = informer(resourceClaimTemplates).get({ namespace: pod.metadata.namespace ?? '', name })
  if (template === undefined)
    throw new Error(`resource claim template "${name}": resourceclaimtemplate.resource.k8s.io "${name}" not found`)
  return await client.create(resourceClaims, claimFromTemplate(pod, entry, template))
}

// A scheduler reserves before it binds; whoever sets a node by hand does not.
async function reserveAll(
  pod: Pod,
  entries: readonly PodClaim[],
  { client, informer }: ReconcileContext,
): Promise<void> {
  for (const entry of entries) {
    const name = claimNameOf(pod, entry)
    const claim = name ? informer(resourceClaims).get({ namespace: pod.metadata.namespace ?? '', name }) : undefined
    if (claim?.status?.allocation === undefined || isReservedFor(claim, pod)) continue
    const reservedFor = claim.status.reservedFor ?? []
    if (reservedFor.length >= reservedForMax) continue
    const reference = { resource: 'pods', name: pod.metadata.name, uid: pod.metadata.uid ?? '' }
    await client.updateStatus(resourceClaims, {
      ...claim,
      status: { ...claim.status, reservedFor: [...reservedFor, reference] },
    })
  }
}

/**
 * Takes claims back from pods that are done with them, gives up the devices with the last one, and deletes the claims that were made for
 * such a pod (kube-controller-manager `resourceclaim`, the half that looks at claims).
 */
export const resourceClaimController: Controller = {
  name: 'resource-claim-release',
  reconciles: resourceClaims,
  watches: [{ resource: pods, keysOf: claimsOfPod }],
  prepare({ informer }) {
    informer(resourceClaims).addIndex(reservedIndex, ({ status }) => (status?.reservedFor ?? []).map(({ uid }) => uid))
  },
  reconcile: reconcileClaim,
}

function* claimsOfPod(pod: Pod, { informer }: ReconcileContext): Iterable<ObjectKey> {
  const uid = pod.metadata.uid ?? ''
  for (const claim of informer(resourceClaims).byIndex(reservedIndex, uid)) yield keyOf(claim)
  for (const claim of informer(resourceClaims).ownedBy(uid)) yield keyOf(claim)
}

async function reconcileClaim(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  const { client, informer } = context
  const claim = informer(resourceClaims).get(key)
  if (claim === undefined) return done
  const held = new Set<string>()
  for (const { name, uid } of claim.status?.reservedFor ?? []) {
    const pod = await podOf(key.namespace, name, uid, context)
    if (pod !== undefined && !isPodDone(pod)) held.add(uid)
  }
  const reference = controllerOf(claim)
  const owner =
    reference?.kind === 'Pod' ? informer(pods).get({ namespace: key.namespace, name: reference.name }) : undefined
  const plan = planRelease(claim, (uid) => held.has(uid), owner)
  let current = claim
  if (plan.status !== undefined)
    current = await client.updateStatus(resourceClaims, { ...current, status: plan.status })
  if (plan.dropsFinalizer) {
    const finalizers = (current.metadata.finalizers ?? []).filter((name) => name !== allocationFinalizer)
    current = await client.update(resourceClaims, { ...current, metadata: { ...current.metadata, finalizers } })
  }
  if (!plan.isToBeDeleted) return done
  const { uid = '' } = claim.metadata
  await client.delete(resourceClaims, key, { preconditions: { uid } }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
  return done
}

// A pod that the scheduler has reserved for a moment ago may not be in the cache yet.
async function podOf(
  namespace: string,
  name: string,
  uid: string,
  { client, informer }: ReconcileContext,
): Promise<Pod | undefined> {
  const cached = informer(pods).get({ namespace, name })
  if (cached !== undefined) return cached.metadata.uid === uid ? cached : undefined
  const fresh = await client.get(pods, { namespace, name }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  return fresh?.metadata.uid === uid ? fresh : undefined
}
