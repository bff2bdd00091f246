import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Change,
  encodeObject,
  KeyExists,
  KeyMissing,
  openStore,
  RevisionMismatch,
  type Store,
  type Write,
} from './index.ts'
import { createTestDatabase, type TestDatabase } from './testing/index.ts'

let database: TestDatabase
let store: Store

const object = (name: string, data: Record<string, string> = {}, extra: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'ns', uid: `uid-${name}`, ...extra },
  data,
})
const key = (name: string) => ({ resource: 'configmaps', namespace: 'ns', name })
const create = (name: string, data = {}, extra = {}): Write => ({
  key: key(name),
  kind: 'create',
  uid: `uid-${name}`,
  expectedRevision: 0,
  data: encodeObject(object(name, data, extra)),
})
const update = (name: string, expectedRevision: number, data = {}): Write => ({
  ...create(name, data),
  kind: 'update',
  expectedRevision,
})
const remove = (name: string, expectedRevision: number): Write => ({
  ...create(name),
  kind: 'delete',
  expectedRevision,
})
const commit = async (...writes: Write[]) => await store.commit({ writes, actor: 'tester' })

beforeAll(async () => {
  database = await createTestDatabase()
  store = await openStore({ url: database.url })
})
afterAll(async () => {
  await store.close()
  await database.drop()
})

describe('the store', () => {
  it('gives each write the next revision and keeps the object under it', async () => {
    const { revision, objects } = await commit(create('a', { x: '1' }))
    expect(objects[0]?.parse()).toEqual({
      ...object('a', { x: '1' }),
      metadata: { ...object('a').metadata, resourceVersion: String(revision) },
    })
    expect(store.get(key('a'))?.revision).toBe(revision)
  })

  it('refuses to create twice, to change what is missing, and to change another revision', async () => {
    const { revision } = await commit(create('b'))
    await expect(commit(create('b'))).rejects.toBeInstanceOf(KeyExists)
    await expect(commit(update('missing', 1))).rejects.toBeInstanceOf(KeyMissing)
    await expect(commit(update('b', revision - 1))).rejects.toBeInstanceOf(RevisionMismatch)
    expect(store.get(key('b'))?.revision).toBe(revision)
  })

  it('writes a group whole or not at all, under adjacent revisions', async () => {
    const before = store.cachedRevision
    await expect(commit(create('g1'), create('b'))).rejects.toBeInstanceOf(KeyExists)
    expect(store.get(key('g1'))).toBeUndefined()
    expect(store.cachedRevision).toBe(before)
    const { objects } = await commit(create('g1'), create('g2'), create('g3'))
    expect(objects.map((o) => o.revision)).toEqual([before + 1, before + 2, before + 3])
  })

  it('lets one failing group of a batch fail alone', async () => {
    const outcomes = await Promise.allSettled([
      commit(create('s1')),
      commit(create('b')),
      commit(create('s2')),
      commit(create('s1')),
    ])
    expect(outcomes.map((o) => o.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
  })

  it('deletes, and delivers the last state under the revision of the delete', async () => {
    const changes: Change[] = []
    const { revision } = await commit(create('d'))
    const subscription = store.attach({ resource: 'configmaps' }, { onChanges: (all) => changes.push(...all) })
    await commit(remove('d', revision))
    subscription.close()
    expect(changes).toHaveLength(1)
    expect(changes[0]).toMatchObject({ kind: 'delete', revision: revision + 1 })
    expect(changes[0]?.object.parse().metadata.resourceVersion).toBe(String(revision + 1))
    expect(store.get(key('d'))).toBeUndefined()
  })

  it('reads the past while memory has it', async () => {
    const first = await commit(create('p', { v: '1' }))
    const second = await commit(update('p', first.revision, { v: '2' }))
    await commit(remove('p', second.revision))
    expect((await store.getAt(key('p'), first.revision))?.parse().data).toEqual({ v: '1' })
    expect((await store.getAt(key('p'), second.revision))?.parse().data).toEqual({ v: '2' })
    const { objects } = await store.pageAt({ resource: 'configmaps' }, { revision: first.revision, limit: 1000 })
    expect(objects.find((o) => o.key.name === 'p')?.revision).toBe(first.revision)
  })

  it('lists in key order from segments that equal the objects', async () => {
    await Promise.all(Array.from({ length: 1500 }, (_, i) => commit(create(`many-${(i * 7919) % 1500}`))))
    const { objects } = store.list({ resource: 'configmaps' })
    const names = objects.map((o) => o.key.name)
    expect(names).toEqual([...names].sort())
    const { segments, count } = store.segments({ resource: 'configmaps', namespace: 'ns' })
    expect(count).toBe(objects.length)
    expect(JSON.parse(`[${Buffer.concat(segments).toString()}]`)).toEqual(objects.map((o) => o.parse()))
  })

  it('is seen by a second process, in order and without gaps, whoever writes', async () => {
    const other = await openStore({ url: database.url })
    const seen: number[] = []
    const start = store.cachedRevision
    const subscription = await other.subscribe('everything', start, {
      onChanges: (changes) => seen.push(...changes.map((c) => c.revision)),
    })
    await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        (i % 2 === 0 ? store : other).commit({ writes: [create(`two-${i}`)], actor: 'x' }),
      ),
    )
    await other.linearize()
    await store.linearize()
    subscription.close()
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => start + 1 + i))
    expect(store.count({ resource: 'configmaps' })).toBe(other.count({ resource: 'configmaps' }))
    await other.close()
  })

  it('resumes from the log what memory no longer has', async () => {
    const fresh = await openStore({ url: database.url })
    const seen: Change[] = []
    const subscription = await fresh.subscribe({ resource: 'configmaps' }, 1, {
      onChanges: (changes) => seen.push(...changes),
    })
    subscription.close()
    expect(seen[0]?.object.key.name).toBe('a')
    expect(seen.map((c) => c.revision)).toEqual(Array.from({ length: fresh.cachedRevision - 1 }, (_, i) => i + 2))
    const old = await fresh.pageAt({ resource: 'configmaps' }, { revision: 2, limit: 10 })
    expect(old.objects.map((o) => o.key.name)).toEqual(['a'])
    await fresh.close()
  })

  it('forgets the past when compacted, and says from where on it can be read', async () => {
    const at = store.cachedRevision
    await store.compact(at)
    const fresh = await openStore({ url: database.url })
    await expect(fresh.subscribe({ resource: 'configmaps' }, at - 1, { onChanges: () => undefined })).rejects.toThrow(
      `revision ${at} is compacted`,
    )
    const { objects } = await fresh.pageAt({ resource: 'configmaps' }, { revision: at, limit: 10_000 })
    expect(objects.map((o) => o.key.name)).toEqual(
      fresh.list({ resource: 'configmaps' }).objects.map((o) => o.key.name),
    )
    await fresh.close()
  })
})
