import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Change,
  Compacted,
  encodeObject,
  FutureRevision,
  openStore,
  type Store,
  StoreUnavailable,
} from './index.ts'
import type { CommitResult, Write } from './index.ts'
import { createTestDatabase, type TestDatabase } from './testing/index.ts'

/** Guarantees of SPEC.md that need more than one process, a broken connection or the passing of time. */

let database: TestDatabase
let store: Store
let other: Store

const briefResources = ['leases.coordination.k8s.io']
const open = (): Promise<Store> => openStore({ url: database.url, briefResources })

function write(
  kind: Write['kind'],
  name: string,
  expectedRevision = 0,
  rest: { resource?: string; v?: string } = {},
): Write {
  const { resource = 'configmaps', v = '' } = rest
  const metadata = { name, namespace: 'ns', uid: `uid-${resource}-${name}` }
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { v } }
  return {
    key: { resource, namespace: 'ns', name },
    kind,
    uid: metadata.uid,
    expectedRevision,
    data: encodeObject(object),
  }
}
const commit = (to: Store, ...writes: Write[]): Promise<CommitResult> => to.commit({ writes, actor: 'tester' })
const configMaps = { resource: 'configmaps' }

async function asDatabaseOwner(run: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    await run(client)
  } finally {
    await client.end()
  }
}

const endSessions = (client: pg.Client, name: string): Promise<unknown> =>
  client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1 AND datname = current_database()',
    [name],
  )

beforeAll(async () => {
  database = await createTestDatabase()
  // Both at once: on a database without tables each would make them.
  ;[store, other] = (await Promise.all([open(), open()])) as [Store, Store]
})
afterAll(async () => {
  await Promise.all([store.close(), other.close()])
  await database.drop()
})

describe('processes on one database', () => {
  it('may make the schema at the same time', () => {
    expect(store.cachedRevision).toBe(1)
    expect(other.cachedRevision).toBe(1)
  })

  it('see what any of them has acknowledged, once they ask for the present state', async () => {
    const { revision } = await commit(other, write('create', 'elsewhere'))
    expect(await store.linearize()).toBeGreaterThanOrEqual(revision)
    expect(store.get(write('create', 'elsewhere').key)?.revision).toBe(revision)
  })

  it('hear of changes without the notification that wakes them', async () => {
    await asDatabaseOwner((client) => endSessions(client, 'binnacle-listener'))
    const { revision } = await commit(other, write('create', 'unheard'))
    await store.waitFor(revision, 10_000)
    expect(store.get(write('create', 'unheard').key)?.revision).toBe(revision)
  })

  it('cannot both change one state of an object', async () => {
    const { revision } = await commit(store, write('create', 'contested'))
    await other.linearize()
    const outcomes = await Promise.allSettled(
      [store, other, store, other].map((each) => commit(each, write('update', 'contested', revision))),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('a write whose connection breaks', () => {
  it('is committed once or refused, never both and never twice', async () => {
    const before = await store.linearize()
    const names = Array.from({ length: 300 }, (_, i) => `broken-${i}`)
    const enough = new AbortController()
    const breaking = asDatabaseOwner(async (client) => {
      while (!enough.signal.aborted) {
        await endSessions(client, 'binnacle-writer-%')
        // Long enough for some batches to come through between two breaks.
        await new Promise((resolve) => setTimeout(resolve, 60))
      }
    })
    const outcomes: PromiseSettledResult<CommitResult>[] = []
    for (let i = 0; i < names.length; i += 30)
      outcomes.push(
        ...(await Promise.allSettled(names.slice(i, i + 30).map((name) => commit(store, write('create', name))))),
      )
    enough.abort()
    await breaking
    const acknowledged = names.filter((_, i) => outcomes[i]?.status === 'fulfilled')
    expect(acknowledged.length).toBeGreaterThan(0)
    const seen: Change[] = []
    const late = await open()
    const subscription = await late.subscribe(configMaps, before, { onChanges: (changes) => seen.push(...changes) })
    subscription.close()
    await late.close()
    const written = seen.map((change) => change.object.key.name)
    expect(written).toEqual([...new Set(written)])
    expect(acknowledged.filter((name) => !written.includes(name))).toEqual([])
    expect(written.filter((name) => !acknowledged.includes(name))).toEqual([])
  })
})

describe('the feed', () => {
  it('joins the past and the present without a gap or a repetition while others write', async () => {
    const since = await store.linearize()
    const writing = Promise.all(
      Array.from({ length: 120 }, (_, i) => commit(i % 2 === 0 ? store : other, write('create', `joined-${i}`))),
    )
    const seen: number[] = []
    const subscription = await store.subscribe('everything', since, {
      onChanges: (changes) => seen.push(...changes.map(({ revision }) => revision)),
    })
    await writing
    await store.linearize()
    subscription.close()
    expect(seen).toEqual(Array.from({ length: 120 }, (_, i) => since + 1 + i))
  })

  it('goes on where a list of the same moment ends', async () => {
    const names: string[] = []
    const { objects } = store.list(configMaps)
    const subscription = store.attach(configMaps, {
      onChanges: (changes) => names.push(...changes.map(({ object }) => object.key.name)),
    })
    await commit(store, write('create', 'after-the-list'))
    subscription.close()
    expect(objects.some(({ key }) => key.name === 'after-the-list')).toBe(false)
    expect(names).toEqual(['after-the-list'])
  })

  it('tells how far it is when nothing in the scope has changed', async () => {
    const reached: number[] = []
    const subscription = store.attach(
      { resource: 'secrets' },
      { onChanges: () => reached.push(-1), onProgress: (revision) => reached.push(revision) },
    )
    const { revision } = await commit(store, write('create', 'outside'))
    subscription.close()
    expect(reached).toEqual([revision])
  })

  it('gives the state before each change, from memory and from the log', async () => {
    const first = await commit(store, write('create', 'changed', 0, { v: 'a' }))
    await commit(store, write('update', 'changed', first.revision, { v: 'b' }))
    const fresh = await open()
    for (const from of [store, fresh]) {
      const seen: Change[] = []
      const subscription = await from.subscribe(configMaps, first.revision - 1, {
        onChanges: (all) => seen.push(...all),
      })
      subscription.close()
      expect(seen.map(({ previous }) => previous?.parse().data.v)).toEqual([undefined, 'a'])
    }
    await fresh.close()
  })
})

describe('waiting', () => {
  it('ends with FutureRevision for a revision that does not come', async () => {
    await expect(store.waitFor(store.cachedRevision + 1000, 20)).rejects.toBeInstanceOf(FutureRevision)
  })

  it('is refused with StoreUnavailable where there is no database', async () => {
    await expect(openStore({ url: 'postgres://nobody@127.0.0.1:1/none' })).rejects.toBeInstanceOf(StoreUnavailable)
  })
})

describe('retention', () => {
  it('keeps the history of brief resources for minutes, and that of others for an hour', async () => {
    const resource = 'leases.coordination.k8s.io'
    const { revision } = await commit(store, write('create', 'beat', 0, { resource }))
    await commit(store, write('update', 'beat', revision, { resource, v: '2' }))
    await asDatabaseOwner((client) => client.query(`UPDATE changes SET at = now() - interval '20 minutes'`))
    await store.compact()
    const fresh = await open()
    const ignore = { onChanges: () => undefined }
    await expect(fresh.subscribe({ resource }, revision, ignore)).rejects.toBeInstanceOf(Compacted)
    expect(fresh.get({ resource, namespace: 'ns', name: 'beat' })?.parse().data.v).toBe('2')
    ;(await fresh.subscribe(configMaps, 1, ignore)).close()
    await asDatabaseOwner((client) => client.query(`UPDATE changes SET at = now() - interval '2 hours'`))
    await store.compact()
    const later = await open()
    await expect(later.subscribe(configMaps, 1, ignore)).rejects.toBeInstanceOf(Compacted)
    await Promise.all([fresh.close(), later.close()])
  })
})
