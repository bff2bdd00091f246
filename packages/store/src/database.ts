import { DataSource, EntitySchema } from 'typeorm'
import pg from 'pg'
import { migrations } from '@binnacle/migrations'
import { StoreUnavailable } from './errors.ts'

/** Which entry of the log is an object's current state, as the table `resources` holds it. */
export interface ResourceRow {
  resource: string
  namespace: string
  name: string
  revision: string
  created_revision: string
}

/** One entry of the log of changes. `kind`: 0 create, 1 update, 2 delete. */
export interface ChangeRow extends ResourceRow {
  kind: number
  uid: string
  previous_revision: string
  batch: string
  actor: string
  at: Date
  data: string
}

/** The one row that orders everything. */
export interface RevisionRow {
  only_row: boolean
  revision: string
  horizon: string
  brief_horizon: string
}

const text = { type: 'text' } as const
const bigint = { type: 'bigint' } as const
const objectColumns = {
  resource: { ...text, primary: true },
  namespace: { ...text, primary: true },
  name: { ...text, primary: true },
  revision: bigint,
  created_revision: bigint,
} as const

/** The table of current objects. */
export const resourceEntity = new EntitySchema<ResourceRow>({ name: 'resources', columns: objectColumns })
/** The log of changes. */
export const changeEntity = new EntitySchema<ChangeRow>({
  name: 'changes',
  columns: {
    ...objectColumns,
    resource: text,
    namespace: text,
    name: text,
    revision: { ...bigint, primary: true },
    kind: { type: 'smallint' },
    uid: text,
    previous_revision: bigint,
    batch: text,
    actor: text,
    at: { type: 'timestamptz' },
    data: text,
  },
})
/** The revision and the horizons. */
export const revisionEntity = new EntitySchema<RevisionRow>({
  name: 'revision',
  columns: { only_row: { type: 'boolean', primary: true }, revision: bigint, horizon: bigint, brief_horizon: bigint },
})

/** Any number, the same in every process: the lock under which migrations run. */
const migrationLock = 7_316_022

/**
 * Connects and brings the schema up to date; several processes may do so at once.
 * @throws StoreUnavailable with the reason in words.
 */
export async function openDatabase(url: string): Promise<DataSource> {
  const lock = newClient(url, 'binnacle-migrations')
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    applicationName: 'binnacle',
    entities: [resourceEntity, changeEntity, revisionEntity],
    migrations: [...migrations],
    migrationsTableName: 'migrations',
    poolSize: 4,
    logging: false,
  })
  try {
    await lock.connect()
    await lock.query('SELECT pg_advisory_lock($1)', [migrationLock])
    await dataSource.initialize()
    await dataSource.runMigrations({ transaction: 'all' })
    return dataSource
  } catch (error) {
    if (dataSource.isInitialized) await dataSource.destroy().catch(() => undefined)
    throw new StoreUnavailable(`the database cannot be used: ${reasonOf(error)}`, { cause: error })
  } finally {
    await lock.end().catch(() => undefined)
  }
}

/** The reason of a failed connection in words; Node wraps several attempts into one error without a message. */
export function reasonOf(error: unknown): string {
  const { message, code, errors } = error as { message?: string; code?: string; errors?: Error[] }
  return message || errors?.map((inner) => inner.message).join(', ') || code || String(error)
}

/** A connection of its own, for what must not share one: committing and listening. */
export function newClient(url: string, applicationName: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  })
  // A broken connection is reported by the query that meets it, or by 'end'; without a listener Node would end the process.
  client.on('error', () => undefined)
  return client
}
