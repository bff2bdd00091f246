import type { DataSource } from 'typeorm'
import { BatchWriter, type CommittedBatch } from './batch-writer.ts'
import { CachedObject } from './cached-object.ts'
import { RevisionListener, readChanges, readRevision } from './change-feed.ts'
import { compactHistory, type Horizons, readHorizons } from './compaction.ts'
import { type ChangeRow, openDatabase, reasonOf } from './database.ts'
import { Compacted, FutureRevision, StoreUnavailable } from './errors.ts'
import { changesBetween, objectAt, objectsAt } from './history.ts'
import { ObjectCache } from './object-cache.ts'
import { RecentChanges } from './recent-changes.ts'
import { compareKeys } from './sorted-objects.ts'
import type {
  Change,
  ChangeListener,
  ChangeSubscription,
  CommitResult,
  FieldExtraction,
  PageRequest,
  Revision,
  Scope,
  Snapshot,
  Store,
  StoredKey,
  StoredObject,
  StoreOptions,
  WriteGroup,
} from './store.ts'
import { Subscriptions } from './subscriptions.ts'

const hourMs = 3_600_000
const recentBytesDefault = 64 * 1024 * 1024
const feedPageRows = 1000
const loadPageRows = 5000
const ownBatchMsMax = 100
const compactionIntervalMs = 5 * 60_000
const briefRetentionMs = 10 * 60_000
const changeKinds = ['create', 'update', 'delete'] as const

/**
 * Opens the store: connects, migrates, loads every object, and follows the log from there.
 * @throws StoreUnavailable
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const dataSource = await openDatabase(options.url)
  const store = new PostgresStore(options, dataSource)
  await store.load()
  return store
}

class PostgresStore implements Store {
  readonly #options: StoreOptions
  readonly #dataSource: DataSource
  readonly #cache: ObjectCache
  readonly #subscriptions = new Subscriptions()
  readonly #writer: BatchWriter
  readonly #listener: RevisionListener
  readonly #extractions = new Map<string, FieldExtraction | undefined>()
  #recent = new RecentChanges(1, 0)
  #revision: Revision = 0
  /** The newest revision heard of. */
  #heardOf: Revision = 0
  #horizons: Horizons = { horizon: 0, briefHorizon: 0 }
  #waiters: { revision: Revision; resolve: () => void }[] = []
  #catchingUp: Promise<void> | undefined
  /** An own batch has found that another process committed before it: what that wrote has to be read. */
  #othersWrite = false
  #compactionTimer: NodeJS.Timeout | undefined
  #linearizing: Promise<Revision> | undefined
  #closed = false

  constructor(options: StoreOptions, dataSource: DataSource) {
    this.#options = options
    this.#dataSource = dataSource
    this.#cache = new ObjectCache((resource) => this.#extraction(resource))
    this.#writer = new BatchWriter({
      url: options.url,
      currentRevision: () => this.#revision,
      createdRevisionOf: (key) => this.#cache.get(key)?.createdRevision ?? 0,
      onCommitted: (batch) => this.#applyCommitted(batch),
    })
    this.#listener = new RevisionListener(options.url, dataSource, (revision) => this.#hear(revision))
  }

  /** Reads the current state in one snapshot and starts to follow the log. */
  async load(): Promise<void> {
    await this.#dataSource.transaction('REPEATABLE READ', async (manager) => {
      const [row] = (await manager.query('SELECT revision FROM revision')) as { revision: string }[]
      this.#revision = Number(row?.revision)
      await manager.query(
        'DECLARE objects NO SCROLL CURSOR FOR SELECT c.* FROM resources r JOIN changes c ON c.revision = r.revision',
      )
      for (;;) {
        const rows = (await manager.query(`FETCH ${loadPageRows} FROM objects`)) as ChangeRow[]
        for (const object of rows) this.#cache.apply({ kind: 'create', object: this.#decode(object) })
        if (rows.length < loadPageRows) break
      }
    })
    this.#recent = new RecentChanges(this.#options.recentChangesBytesMax ?? recentBytesDefault, this.#revision)
    this.#horizons = await readHorizons(this.#dataSource)
    this.#listener.start()
    this.#compactionTimer = setInterval(
      () =>
        void this.compact().catch((error: Error) =>
          this.#log('warn', 'history not compacted', { error: reasonOf(error) }),
        ),
      compactionIntervalMs,
    )
    this.#compactionTimer.unref()
  }

  get cachedRevision(): Revision {
    return this.#revision
  }

  get horizon(): Revision {
    return this.#horizons.horizon
  }

  async commit(group: WriteGroup): Promise<CommitResult> {
    const writes = await this.#writer.commit(group)
    // The cache has applied them; an object may have been replaced again since, so the changes are what is answered.
    const objects = writes.map((write) => this.#committed.get(write.revision) ?? this.#decodeWrite(write))
    for (const write of writes) this.#committed.delete(write.revision)
    return { revision: writes.at(-1)?.revision ?? this.#revision, objects }
  }

  /** Objects of the last batches, by revision, until their writers have been answered. */
  readonly #committed = new Map<Revision, CachedObject>()

  linearize(): Promise<Revision> {
    // Reads that come while a question is being asked must not use its answer: a write may have been acknowledged in between.
    this.#linearizing ??= Promise.resolve().then(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      this.#linearizing = undefined
      const revision = await readRevision(this.#dataSource).catch((error: unknown) => {
        throw new StoreUnavailable(`the database does not answer: ${reasonOf(error)}`, { cause: error })
      })
      this.#hear(revision)
      await this.#reached(revision)
      return revision
    })
    return this.#linearizing
  }

  async waitFor(revision: Revision, timeoutMs: number): Promise<void> {
    if (revision <= this.#revision) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(new FutureRevision(`revision ${revision} has not been reached; the current one is ${this.#revision}`)),
        timeoutMs,
      )
    })
    await Promise.race([this.#reached(revision), late]).finally(() => clearTimeout(timer))
  }

  get(key: StoredKey): StoredObject | undefined {
    return this.#cache.get(key)
  }

  list(scope: Scope): Snapshot {
    return { revision: this.#revision, objects: this.#cache.list(scope) }
  }

  segments(scope: Scope): { revision: Revision; count: number; segments: readonly Buffer[] } {
    const joined = this.#cache.sorted(scope.resource)?.joined(scope.namespace) ?? { count: 0, segments: [] }
    return { revision: this.#revision, ...joined }
  }

  ownedBy(uid: string): readonly StoredObject[] {
    return this.#cache.ownedBy(uid)
  }

  byUid(uid: string): StoredObject | undefined {
    return this.#cache.byUid(uid)
  }

  byField(resource: string, field: string, value: string): readonly StoredObject[] {
    return this.#cache.byField(resource, field, value)
  }

  count(scope: Scope): number {
    return this.#cache.count(scope)
  }

  resourcesIn(namespace: string): readonly string[] {
    return this.#cache.resourcesIn(namespace)
  }

  async getAt(key: StoredKey, revision: Revision): Promise<StoredObject | undefined> {
    this.#checkHorizon(key.resource, revision)
    if (revision >= this.#revision) return this.#cache.get(key)
    if (revision < this.#recent.since) return await objectAt(this.#dataSource, this.#decode, key, revision)
    for (const change of this.#recent.after(revision)) {
      if (change.object.key.resource === key.resource && compareKeys(change.object.key, key) === 0)
        return change.previous
    }
    return this.#cache.get(key)
  }

  async pageAt(
    scope: Scope,
    page: PageRequest,
  ): Promise<{ objects: readonly StoredObject[]; more: boolean; remaining: number }> {
    this.#checkHorizon(scope.resource, page.revision)
    const source =
      page.revision < this.#recent.since ? await this.#past(scope, page.revision) : this.#recentState(scope, page)
    const objects: StoredObject[] = []
    let remaining = 0
    for (const object of source) {
      if (page.after !== undefined && compareKeys(object.key, page.after) <= 0) continue
      if (page.matches !== undefined && !page.matches(object)) continue
      if (objects.length < page.limit) objects.push(object)
      else remaining++
    }
    return { objects, more: remaining > 0, remaining }
  }

  attach(scope: Scope | 'everything', listener: ChangeListener): ChangeSubscription {
    return this.#subscriptions.add(scope, listener)
  }

  async subscribe(scope: Scope | 'everything', since: Revision, listener: ChangeListener): Promise<ChangeSubscription> {
    let position = since
    for (;;) {
      if (scope === 'everything') this.#checkHorizons(position)
      else this.#checkHorizon(scope.resource, position)
      if (position >= this.#recent.since) break
      const upTo = this.#revision
      const changes = await changesBetween(this.#dataSource, this.#decode, scope, {
        after: position,
        upTo,
        limit: feedPageRows,
      })
      // Compaction may have passed by while this was read.
      await this.#refreshHorizons()
      if (scope !== 'everything') this.#checkHorizon(scope.resource, position)
      if (changes.length > 0) listener.onChanges(changes)
      position = changes.length < feedPageRows ? upTo : (changes.at(-1) as Change).revision
    }
    const missed = [...this.#recent.after(position)].filter(
      (change) => scope === 'everything' || inScope(change, scope),
    )
    if (missed.length > 0) listener.onChanges(missed)
    return this.#subscriptions.add(scope, listener)
  }

  async compact(upTo?: Revision): Promise<Revision> {
    const retention = {
      retentionMs: this.#options.retentionMs ?? hourMs,
      briefRetentionMs,
      briefResources: this.#options.briefResources ?? [],
    }
    this.#horizons = await compactHistory(this.#dataSource, retention, upTo)
    return this.#horizons.horizon
  }

  async ping(): Promise<void> {
    try {
      await readRevision(this.#dataSource)
    } catch (error) {
      throw new StoreUnavailable(`the database does not answer: ${reasonOf(error)}`, { cause: error })
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#compactionTimer)
    await this.#writer.close()
    await this.#listener.close()
    await this.#catchingUp?.catch(() => undefined)
    await this.#dataSource.destroy()
  }

  readonly #decode = (
    row: Pick<ChangeRow, 'resource' | 'namespace' | 'name' | 'uid' | 'revision' | 'created_revision' | 'data'>,
  ): CachedObject =>
    new CachedObject({
      key: { resource: row.resource, namespace: row.namespace, name: row.name },
      uid: row.uid,
      revision: Number(row.revision),
      createdRevision: Number(row.created_revision),
      data: row.data,
      extraction: this.#extraction(row.resource),
    })

  #decodeWrite({ write, revision, createdRevision }: CommittedBatch['writes'][number]): CachedObject {
    const { key, uid, data, object } = write
    return new CachedObject({
      key,
      uid,
      revision,
      createdRevision,
      data,
      parsed: object,
      extraction: this.#extraction(key.resource),
    })
  }

  #extraction(resource: string): FieldExtraction | undefined {
    if (!this.#extractions.has(resource)) this.#extractions.set(resource, this.#options.fieldsOf?.(resource))
    return this.#extractions.get(resource)
  }

  // A batch of this process. If others wrote in between, what they wrote is read from the log first.
  async #applyCommitted(batch: CommittedBatch): Promise<void> {
    const last = batch.base + batch.writes.length
    if (batch.base !== this.#revision) {
      this.#othersWrite = true
      this.#heardOf = Math.max(this.#heardOf, last)
      return await this.#reached(last)
    }
    const seenAtMs = Date.now()
    const changes = batch.writes.map((committed): Change => {
      const object = this.#decodeWrite(committed)
      this.#committed.set(committed.revision, object)
      return {
        revision: committed.revision,
        kind: committed.write.kind,
        object,
        previous: this.#cache.get(committed.write.key),
        seenAtMs,
      }
    })
    this.#apply(changes)
  }

  #apply(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#cache.apply(change)
      this.#recent.push(change)
    }
    this.#revision = (changes.at(-1) as Change).revision
    this.#subscriptions.publish(changes, this.#revision)
    if (this.#waiters.length === 0) return
    const reached = this.#waiters.filter((waiter) => waiter.revision <= this.#revision)
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#revision)
    for (const waiter of reached) waiter.resolve()
  }

  #hear(revision: Revision): void {
    if (revision > this.#heardOf) this.#heardOf = revision
    // An own batch in flight will bring its changes itself; looking again afterwards finds what is then still missing.
    if (this.#heardOf > this.#revision && !this.#closed) this.#catchUp()
  }

  #reached(revision: Revision): Promise<void> {
    if (revision <= this.#revision) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiters.push({ revision, resolve })
    this.#catchUp()
    return promise
  }

  #catchUp(): void {
    this.#catchingUp ??= this.#readFeed()
      .catch((error: unknown) => this.#log('warn', 'change feed interrupted', { error: reasonOf(error) }))
      .finally(() => {
        this.#catchingUp = undefined
      })
  }

  async #readFeed(): Promise<void> {
    while (this.#revision < this.#heardOf && !this.#closed) {
      // A batch of our own that is just being answered brings its changes itself.
      for (let waited = 0; this.#writer.busy && !this.#othersWrite && waited < ownBatchMsMax; waited++) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        if (this.#revision >= this.#heardOf) return
      }
      this.#othersWrite = false
      const after = this.#revision
      const rows = await readChanges(this.#dataSource, after, feedPageRows)
      // Own batches may have been applied meanwhile.
      const fresh = rows.filter((row) => Number(row.revision) > this.#revision)
      if (fresh.length > 0 && Number((fresh[0] as ChangeRow).revision) !== this.#revision + 1)
        throw new Error(`a gap in the log after revision ${this.#revision}`)
      if (fresh.length > 0) this.#applyRows(fresh)
      else if (rows.length === 0 && this.#revision === after) await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  #applyRows(rows: readonly ChangeRow[]): void {
    const seenAtMs = Date.now()
    const previous = new Map<string, StoredObject>()
    const changes = rows.map((row): Change => {
      const object = this.#decode(row)
      const text = `${row.resource}\0${row.namespace}\0${row.name}`
      const before = previous.get(text) ?? this.#cache.get(object.key)
      previous.set(text, object)
      return {
        revision: Number(row.revision),
        kind: changeKinds[row.kind] as Change['kind'],
        object,
        previous: row.kind === 0 ? undefined : before,
        seenAtMs,
      }
    })
    this.#apply(changes)
  }

  #checkHorizon(resource: string, revision: Revision): void {
    const { horizon, briefHorizon } = this.#horizons
    const limit = this.#options.briefResources?.includes(resource) === true ? briefHorizon : horizon
    // What memory still has can be served, whatever the log has lost.
    if (revision < limit && revision < this.#recent.since) throw new Compacted(limit)
  }

  #checkHorizons(revision: Revision): void {
    const limit = Math.max(this.#horizons.horizon, this.#horizons.briefHorizon)
    if (revision < limit && revision < this.#recent.since) throw new Compacted(limit)
  }

  async #refreshHorizons(): Promise<void> {
    this.#horizons = await readHorizons(this.#dataSource)
  }

  // The present list with the changes since then undone.
  *#recentState(scope: Scope, page: PageRequest): Generator<StoredObject> {
    const then = new Map<string, StoredObject | undefined>()
    const keyText = (object: StoredObject): string => `${object.key.namespace}\0${object.key.name}`
    for (const change of this.#recent.after(page.revision)) {
      const text = keyText(change.object)
      if (inScope(change, scope) && !then.has(text)) then.set(text, change.previous)
    }
    const present = this.#cache.sorted(scope.resource)?.from(scope.namespace, page.after) ?? []
    if (then.size === 0) return yield* present
    const undone = [...then.values()].filter((object) => object !== undefined).sort((a, b) => compareKeys(a.key, b.key))
    let next = 0
    for (const object of present) {
      for (; next < undone.length && compareKeys((undone[next] as StoredObject).key, object.key) < 0; next++)
        yield undone[next] as StoredObject
      if (!then.has(keyText(object))) yield object
    }
    yield* undone.slice(next)
  }

  #pastSnapshot: { text: string; objects: Promise<StoredObject[]> } | undefined

  // Pages of one old list come one after the other: the snapshot they share is kept until another is asked for.
  #past(scope: Scope, revision: Revision): Promise<StoredObject[]> {
    const text = JSON.stringify([scope.resource, scope.namespace ?? null, revision])
    if (this.#pastSnapshot?.text !== text)
      this.#pastSnapshot = { text, objects: objectsAt(this.#dataSource, this.#decode, scope, revision) }
    return this.#pastSnapshot.objects
  }

  #log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void {
    this.#options.log?.(level, message, fields)
  }
}

function inScope(change: Change, scope: Scope): boolean {
  const { key } = change.object
  return key.resource === scope.resource && (scope.namespace === undefined || key.namespace === scope.namespace)
}
