import {
  controllerOf,
  controllerReference,
  isNotFound,
  type KubernetesObject,
  type Selector,
} from '@binnacle/apimachinery'
import type { Client } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'

/** What {@link claim} works on. */
export interface ClaimRequest<T extends KubernetesObject> {
  readonly client: Client
  readonly owner: KubernetesObject
  readonly ownerResource: ResourceDefinition<any>
  readonly resource: ResourceDefinition<T>
  readonly selector: Selector
  /** What an object must have besides the selected labels. */
  belongs?(object: T): boolean
  readonly candidates: Iterable<T>
  readonly nowMs: number
  /** A finalizer that adopted objects get and released ones lose. */
  readonly finalizer?: string
}

/**
 * The objects that belong to an owner: those it controls and still selects. Selected orphans are adopted, controlled ones that are no longer selected
 * are released (kube-controller-manager `ControllerRefManager`).
 */
export async function claim<T extends KubernetesObject>(request: ClaimRequest<T>): Promise<T[]> {
  const { owner, selector, candidates } = request
  const claimed: T[] = []
  let mayAdopt: Promise<boolean> | undefined
  for (const object of candidates) {
    const controller = controllerOf(object)
    const matches = selector.matches(object.metadata.labels) && (request.belongs?.(object) ?? true)
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata.uid) continue
      if (matches) claimed.push(object)
      else if (owner.metadata.deletionTimestamp === undefined) await release(request, object)
      continue
    }
    if (!matches || owner.metadata.deletionTimestamp !== undefined || object.metadata.deletionTimestamp !== undefined)
      continue
    mayAdopt ??= canAdopt(request)
    if (!(await mayAdopt)) continue
    const adopted = await adopt(request, object)
    if (adopted !== undefined) claimed.push(adopted)
  }
  return claimed
}

// Asked of the server, not the cache: an owner that is being deleted, or was replaced by another of the same name, must adopt nothing.
async function canAdopt({ client, owner, ownerResource }: ClaimRequest<any>): Promise<boolean> {
  try {
    const fresh = await client.get(ownerResource, {
      namespace: owner.metadata.namespace ?? '',
      name: owner.metadata.name,
    })
    return fresh.metadata.uid === owner.metadata.uid && fresh.metadata.deletionTimestamp === undefined
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

const keyIn = (object: KubernetesObject) => ({ namespace: object.metadata.namespace ?? '', name: object.metadata.name })

async function adopt<T extends KubernetesObject>(
  { client, owner, resource, finalizer }: ClaimRequest<T>,
  object: T,
): Promise<T | undefined> {
  const finalizers = finalizer === undefined ? {} : { finalizers: [finalizer] }
  const body = { metadata: { uid: object.metadata.uid, ownerReferences: [controllerReference(owner)], ...finalizers } }
  try {
    return await client.patch(resource, keyIn(object), { type: 'strategic', body })
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

async function release<T extends KubernetesObject>(
  { client, owner, resource, finalizer }: ClaimRequest<T>,
  object: T,
): Promise<void> {
  const body = {
    metadata: {
      uid: object.metadata.uid,
      ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }],
      ...(finalizer === undefined ? {} : { '$deleteFromPrimitiveList/finalizers': [finalizer] }),
    },
  }
  await client.patch(resource, keyIn(object), { type: 'strategic', body }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
}
