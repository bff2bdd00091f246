import { controllerOf, isNotFound, type KubernetesObject, type OwnerReference } from '@binnacle/apimachinery'
import {
  deployments,
  type Pod,
  replicaSets,
  replicationControllers,
  type ResourceDefinition,
  type ResourceRegistry,
  statefulSets,
} from '@binnacle/resources'
import type { ReconcileContext } from '../../controller.ts'

/** How many pods the controllers of some pods want in all, and the pods that nobody controls. */
export interface Expected {
  readonly pods: number
  readonly unmanaged: readonly Pod[]
}

interface Scaled {
  readonly uid: string
  readonly replicas: number
}

/**
 * Adds up the scales of the controllers of these pods, each once (disruption.go `getExpectedScale`).
 * @throws Error for a pod whose controller is not there or cannot be scaled
 */
export async function expectedPods(
  pods: readonly Pod[],
  context: ReconcileContext,
  registry: ResourceRegistry,
): Promise<Expected> {
  const scales = new Map<string, number>()
  const asked = new Set<string>()
  const unmanaged: Pod[] = []
  for (const pod of pods) {
    const owner = controllerOf(pod)
    if (owner === undefined) {
      unmanaged.push(pod)
      continue
    }
    if (asked.has(owner.uid)) continue
    asked.add(owner.uid)
    const namespace = pod.metadata.namespace ?? ''
    const scaled =
      scaleInCache(owner, namespace, context) ?? (await scaleByRequest(owner, namespace, context, registry))
    if (scaled === undefined) throw new Error(`found no controllers for pod "${pod.metadata.name}"`)
    scales.set(scaled.uid, scaled.replicas)
  }
  return { pods: [...scales.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged }
}

const cached: readonly ResourceDefinition<any>[] = [replicationControllers, replicaSets, statefulSets]

function scaleInCache(owner: OwnerReference, namespace: string, context: ReconcileContext): Scaled | undefined {
  const resource = cached.find((candidate) => isOf(owner, candidate))
  if (resource === undefined) return undefined
  const set = context.informer(resource).get({ namespace, name: owner.name })
  if (set?.metadata.uid !== owner.uid) return undefined
  // The scale of a Deployment's ReplicaSets is the Deployment's: they shift it between them.
  const above = controllerOf(set)
  if (resource !== replicaSets || above === undefined || !isOf(above, deployments)) return scaledOf(set)
  const deployment = context.informer(deployments).get({ namespace, name: above.name })
  return deployment?.metadata.uid === above.uid ? scaledOf(deployment) : undefined
}

function scaledOf(object: KubernetesObject): Scaled {
  const { spec } = object as KubernetesObject & { spec?: { replicas?: number } }
  return { uid: object.metadata.uid ?? '', replicas: spec?.replicas ?? 1 }
}

const groupVersion = ({ apiVersion }: OwnerReference): [group: string, version: string] => {
  const [first = '', second] = apiVersion.split('/')
  return second === undefined ? ['', first] : [first, second]
}

function isOf(owner: OwnerReference, { group, kind }: ResourceDefinition<any>): boolean {
  return owner.kind === kind && groupVersion(owner)[0] === group
}

async function scaleByRequest(
  owner: OwnerReference,
  namespace: string,
  { client }: ReconcileContext,
  registry: ResourceRegistry,
): Promise<Scaled | undefined> {
  const [group, version] = groupVersion(owner)
  const resource = registry.byKind(group, version, owner.kind)
  if (resource === undefined) throw new Error(`no matches for kind "${owner.kind}" in version "${owner.apiVersion}"`)
  if (resource.subresources.scale === undefined) {
    const name = group === '' ? resource.plural : `${resource.plural}.${group}`
    throw new Error(`${name} does not implement the scale subresource`)
  }
  const scale = await client.getScale(resource, { namespace, name: owner.name }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  if (scale?.metadata.uid !== owner.uid) return undefined
  return { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 }
}
