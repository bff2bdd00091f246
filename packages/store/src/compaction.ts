import type { DataSource } from 'typeorm'
import type { Revision } from './store.ts'

/** How much history is kept. */
export interface Retention {
  readonly retentionMs: number
  readonly briefRetentionMs: number
  readonly briefResources: readonly string[]
}

/** The oldest revisions that can be read: in general, and of the resources that are kept briefly. */
export interface Horizons {
  readonly horizon: Revision
  readonly briefHorizon: Revision
}

/** Reads the horizons, which all processes share. */
export async function readHorizons(dataSource: DataSource): Promise<Horizons> {
  const rows = (await dataSource.query('SELECT horizon, brief_horizon FROM revision')) as {
    horizon: string
    brief_horizon: string
  }[]
  const row = rows[0] as { horizon: string; brief_horizon: string }
  return { horizon: Number(row.horizon), briefHorizon: Number(row.brief_horizon) }
}

/**
 * Raises the horizon to `upTo` (or to what the retention allows) and deletes what can no longer be read: states that were replaced at or before
 * the horizon, and deletions. The state of each object at the horizon stays, so every revision from there on can still be reconstructed.
 */
export async function compactHistory(
  dataSource: DataSource,
  retention: Retention,
  upTo: Revision | undefined,
): Promise<Horizons> {
  return await dataSource.transaction(async (manager) => {
    // One process at a time; the others come back at their next turn.
    const locked = (await manager.query('SELECT pg_try_advisory_xact_lock(7316023) AS locked')) as { locked: boolean }[]
    const before = await readHorizons(dataSource)
    if (locked[0]?.locked !== true) return before
    const horizon = Math.max(before.horizon, upTo ?? (await newestBefore(retention.retentionMs)))
    const briefHorizon = Math.max(
      before.briefHorizon,
      horizon,
      upTo ?? (await newestBefore(retention.briefRetentionMs)),
    )
    // The horizon moves first: what is about to be deleted must not be promised.
    await manager.query('UPDATE revision SET horizon = $1, brief_horizon = $2', [horizon, briefHorizon])
    await removeSuperseded('resource <> ALL ($3)', before.horizon, horizon)
    await removeSuperseded('resource = ANY ($3)', before.briefHorizon, briefHorizon)
    return { horizon, briefHorizon }

    async function newestBefore(ageMs: number): Promise<Revision> {
      const rows = (await manager.query(
        `SELECT max(revision) AS revision FROM changes WHERE at < now() - $1 * interval '1 millisecond'`,
        [ageMs],
      )) as { revision: string | null }[]
      return Number(rows[0]?.revision ?? 0)
    }
    async function removeSuperseded(which: string, from: Revision, to: Revision): Promise<void> {
      const values = [from, to, retention.briefResources]
      await manager.query(
        `DELETE FROM changes WHERE revision IN (SELECT previous_revision FROM changes WHERE revision > $1 AND revision <= $2 AND previous_revision > 0 AND ${which})`,
        values,
      )
      await manager.query(
        `DELETE FROM changes WHERE revision > $1 AND revision <= $2 AND kind = 2 AND ${which}`,
        values,
      )
    }
  })
}
