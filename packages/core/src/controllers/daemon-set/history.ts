import { isAlreadyExists, isNotFound, jsonEqual, keyOf, shortHash } from '@binnacle/apimachinery'
import {
  type ControllerRevision,
  controllerRevisions,
  type DaemonSet,
  daemonSets,
  type Pod,
  pods,
} from '@binnacle/resources'
import type { ReconcileContext } from '../../controller.ts'
import { byRevision, claimRevisions, keepsTemplate, newRevision, revisionLabel } from '../revision-history.ts'

/** The revisions of a DaemonSet (kube-controller-manager `daemon/update.go`). */
export interface DaemonHistory {
  /** That of the present template. */
  readonly current: ControllerRevision
  /** The others, the oldest first. */
  readonly old: readonly ControllerRevision[]
}

/** The label value by which pods name a revision. */
export function hashOf(revision: ControllerRevision): string {
  return revision.metadata.labels?.[revisionLabel] ?? revision.metadata.name
}

/** The set's history, with a revision of the present template above all others: made, brought to the front, or made one of several (`constructHistory`). */
export async function findHistory(
  set: DaemonSet,
  own: readonly Pod[],
  context: ReconcileContext,
): Promise<DaemonHistory> {
  const all = byRevision(await claimRevisions(set, daemonSets, context))
  const template = set.spec?.template
  const equal = all.filter((revision) => keepsTemplate(revision, template))
  const old = all.filter((revision) => !equal.includes(revision))
  const next = (old.at(-1)?.revision ?? 0) + 1
  const kept = equal.at(-1)
  if (kept === undefined) return { current: await createRevision(set, next, context), old }
  await dropDuplicates(kept, equal.slice(0, -1), own, context)
  if (kept.revision >= next) return { current: kept, old }
  return { current: await context.client.update(controllerRevisions, { ...kept, revision: next }), old }
}

// The name is taken: by ourselves, seen with an old cache, or by another template with the same hash.
async function createRevision(
  set: DaemonSet,
  revision: number,
  { client }: ReconcileContext,
): Promise<ControllerRevision> {
  const hash = shortHash(set.spec?.template, set.status?.collisionCount ?? 0)
  const name = `${set.metadata.name}-${hash}`
  try {
    const wanted = newRevision({ owner: set, name, hashLabel: { [revisionLabel]: hash }, revision })
    return await client.create(controllerRevisions, wanted)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    const existing = await client.get(controllerRevisions, { ...keyOf(set), name })
    if (keepsTemplate(existing, set.spec?.template)) return existing
    const fresh = await client.get(daemonSets, keyOf(set))
    // Somebody has counted this collision already: the cache will say so.
    if (!jsonEqual(fresh.status?.collisionCount, set.status?.collisionCount)) throw error
    const status = { ...fresh.status, collisionCount: (fresh.status?.collisionCount ?? 0) + 1 } as NonNullable<
      DaemonSet['status']
    >
    await client.updateStatus(daemonSets, { ...fresh, status })
    throw error
  }
}

// Two revisions of one template come of adoption: the pods of the others are made those of the one that stays.
async function dropDuplicates(
  kept: ControllerRevision,
  others: readonly ControllerRevision[],
  own: readonly Pod[],
  { client }: ReconcileContext,
): Promise<void> {
  if (others.length === 0) return
  const hash = hashOf(kept)
  const duplicates = new Set(others.map(hashOf))
  for (const pod of own) {
    if (!duplicates.has(pod.metadata.labels?.[revisionLabel] ?? '')) continue
    const body = { metadata: { labels: { [revisionLabel]: hash } } }
    await client.patch(pods, keyOf(pod), { type: 'strategic', body }).catch(unlessGone)
  }
  for (const other of others) await client.delete(controllerRevisions, keyOf(other)).catch(unlessGone)
}

/** Deletes the oldest revisions that no pod has, beyond the limit (`cleanupHistory`). */
export async function cleanUpHistory(
  set: DaemonSet,
  { old }: DaemonHistory,
  own: readonly Pod[],
  { client }: ReconcileContext,
): Promise<void> {
  const used = new Set(own.map((pod) => pod.metadata.labels?.[revisionLabel]))
  const surplus = Math.max(0, old.length - (set.spec?.revisionHistoryLimit ?? 10))
  for (const revision of old.filter((each) => !used.has(hashOf(each))).slice(0, surplus))
    await client.delete(controllerRevisions, keyOf(revision)).catch(unlessGone)
}

function unlessGone(error: unknown): void {
  if (!isNotFound(error)) throw error
}
