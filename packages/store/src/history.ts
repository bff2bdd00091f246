import type { DataSource } from 'typeorm'
import type { CachedObject } from './cached-object.ts'
import type { ChangeRow } from './database.ts'
import { compareKeys } from './sorted-objects.ts'
import type { Change, Revision, Scope, StoredKey, StoredObject } from './store.ts'

/** Reads of the past from the log, for revisions that memory no longer covers. */

const changeKinds = ['create', 'update', 'delete'] as const

/** Makes a cached object of a row. */
export type Decode = (
  row: Pick<ChangeRow, 'resource' | 'namespace' | 'name' | 'uid' | 'revision' | 'created_revision' | 'data'>,
) => CachedObject

/** A change of the log, with the state before it where that is still there. */
interface ChangeWithPrevious extends ChangeRow {
  previous_data: string | null
}

/** The object at a revision, or undefined when there was none. */
export async function objectAt(
  dataSource: DataSource,
  decode: Decode,
  key: StoredKey,
  revision: Revision,
): Promise<StoredObject | undefined> {
  const rows = (await dataSource.query(
    'SELECT * FROM changes WHERE revision <= $1 AND resource = $2 AND namespace = $3 AND name = $4 ORDER BY revision DESC LIMIT 1',
    [revision, key.resource, key.namespace, key.name],
  )) as ChangeRow[]
  const row = rows[0]
  return row === undefined || row.kind === 2 ? undefined : decode(row)
}

/** Everything of a scope at a revision, in key order. */
export async function objectsAt(
  dataSource: DataSource,
  decode: Decode,
  scope: Scope,
  revision: Revision,
): Promise<StoredObject[]> {
  const rows = (await dataSource.query(
    `SELECT DISTINCT ON (namespace, name) * FROM changes
     WHERE revision <= $1 AND resource = $2 AND ($3::text IS NULL OR namespace = $3) ORDER BY namespace, name, revision DESC`,
    [revision, scope.resource, scope.namespace ?? null],
  )) as ChangeRow[]
  return rows
    .filter((row) => row.kind !== 2)
    .map(decode)
    .sort((a, b) => compareKeys(a.key, b.key))
}

/** The changes of a scope after one revision up to another, oldest first, at most `limit`. */
export async function changesBetween(
  dataSource: DataSource,
  decode: Decode,
  scope: Scope | 'everything',
  range: { after: Revision; upTo: Revision; limit: number },
): Promise<Change[]> {
  const [resource, namespace] = scope === 'everything' ? [null, null] : [scope.resource, scope.namespace ?? null]
  const rows = (await dataSource.query(
    `SELECT c.*, p.data AS previous_data FROM changes c LEFT JOIN changes p ON p.revision = c.previous_revision
     WHERE c.revision > $1 AND c.revision <= $2 AND ($3::text IS NULL OR c.resource = $3) AND ($4::text IS NULL OR c.namespace = $4)
     ORDER BY c.revision LIMIT $5`,
    [range.after, range.upTo, resource, namespace, range.limit],
  )) as ChangeWithPrevious[]
  const seenAtMs = Date.now()
  return rows.map((row) => ({
    revision: Number(row.revision),
    kind: changeKinds[row.kind] as Change['kind'],
    object: decode(row),
    previous:
      row.previous_data === null
        ? undefined
        : decode({ ...row, revision: row.previous_revision, data: row.previous_data }),
    seenAtMs,
  }))
}
