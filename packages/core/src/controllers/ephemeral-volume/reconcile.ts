import { controllerReference, isAlreadyExists, type ObjectKey } from '@binnacle/apimachinery'
import { type PersistentVolumeClaim, persistentVolumeClaims, type Pod, pods, type Volume } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { claimsOfPod, whyNotForPod } from '../../volumes/pod-claims.ts'

/**
 * Creates the claims of pods' generic ephemeral volumes (upstream `ephemeral`). The pod owns them, so the garbage collector deletes them
 * with it.
 */
export const ephemeralVolumeController: Controller = {
  name: 'ephemeral-volume',
  reconciles: pods,
  owns: [persistentVolumeClaims],
  reconcile,
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  const pod = context.informer(pods).get(key)
  if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return done
  for (const { claimName, volume, isEphemeral } of claimsOfPod(pod)) {
    if (!isEphemeral) continue
    const problem = await ensureClaim(pod, claimName, volume, context)
    if (problem === undefined) continue
    context.events.record(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${problem}`)
    throw new Error(`pod ${key.namespace}/${key.name}, ephemeral volume ${volume.name}: ${problem}`)
  }
  return done
}

/** Returns why the claim cannot be had; undefined when it is there. */
async function ensureClaim(
  pod: Pod,
  name: string,
  volume: Volume,
  { client, informer }: ReconcileContext,
): Promise<string | undefined> {
  const key = { namespace: pod.metadata.namespace ?? '', name }
  const present = informer(persistentVolumeClaims).get(key)
  if (present !== undefined) return whyNotForPod(pod, present)
  try {
    await client.create(persistentVolumeClaims, claimFor(pod, name, volume))
    return undefined
  } catch (error) {
    // It may be this pod's own, made a moment ago.
    if (isAlreadyExists(error)) return whyNotForPod(pod, await client.get(persistentVolumeClaims, key))
    return `create PVC ${name}: ${(error as Error).message}`
  }
}

/** The claim of an ephemeral volume, as its template describes it. */
export function claimFor(pod: Pod, name: string, { ephemeral }: Volume): PersistentVolumeClaim {
  const { metadata, spec } = ephemeral?.volumeClaimTemplate ?? {}
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name,
      namespace: pod.metadata.namespace ?? '',
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ownerReferences: [controllerReference(pod)],
    },
    ...(spec === undefined ? {} : { spec }),
  }
}
