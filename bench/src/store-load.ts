import { randomUUID } from 'node:crypto'
import { encodeObject, openStore, type Store } from '@binnacle/store'
import { objectBytes, type WriteRates, type WriteRound } from './etcd.ts'
import { quantile } from './statistics.ts'
import { serveOrders } from './worker-process.ts'

/** A process that holds the store open, as an API process does, and writes into it as fast as it goes. */

let rounds = 0

await serveOrders(async ({ url }: { url: string }) => {
  const store = await openStore({ url })
  return (round: WriteRound): Promise<WriteRates> => run(store, round)
})

async function run(store: Store, { kind, clients, warmUpSeconds, seconds }: WriteRound): Promise<WriteRates> {
  const round = rounds++
  const latencies: number[] = []
  const beginMs = performance.now() + warmUpSeconds * 1000
  const endMs = beginMs + seconds * 1000
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const write = kind === 'create' ? creator(store, round, client) : await updater(store, round, client)
      for (let i = 0; ; i++) {
        const startMs = performance.now()
        if (startMs >= endMs) return
        await write(i)
        if (startMs >= beginMs) latencies.push(performance.now() - startMs)
      }
    }),
  )
  const elapsed = (performance.now() - beginMs) / 1000
  return {
    writes: latencies.length,
    seconds: elapsed,
    perSecond: latencies.length / elapsed,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  }
}

function creator(store: Store, round: number, client: number): (i: number) => Promise<unknown> {
  const filler = fillerFor(`c-${round}-${client}-0`)
  return (i) => commit(store, 'create', objectOf(`c-${round}-${client}-${i}`, randomUUID(), filler), 0)
}

// Each writer updates an object of its own, as optimistic writers do that do not meet.
async function updater(store: Store, round: number, client: number): Promise<(i: number) => Promise<unknown>> {
  const name = `u-${round}-${client}`
  const uid = randomUUID()
  const filler = fillerFor(name)
  let revision = await commit(store, 'create', objectOf(name, uid, filler), 0)
  return async () => {
    revision = await commit(store, 'update', objectOf(name, uid, filler), revision)
  }
}

async function commit(
  store: Store,
  kind: 'create' | 'update',
  object: ReturnType<typeof objectOf>,
  expectedRevision: number,
): Promise<number> {
  const { uid, namespace, name } = object.metadata
  const { revision } = await store.commit({
    actor: 'bench',
    writes: [
      {
        key: { resource: 'configmaps', namespace, name },
        kind,
        uid,
        expectedRevision,
        data: encodeObject(object),
        object,
      },
    ],
  })
  return revision
}

function objectOf(name: string, uid: string, filler: string) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', uid, creationTimestamp: '2026-01-01T00:00:00Z' },
    data: { text: filler },
  }
}

// Text that does not compress much better than real objects do, as long as makes the object as large as etcd's.
function fillerFor(name: string): string {
  const rest = encodeObject(objectOf(name, randomUUID(), '')).length
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length: objectBytes - rest }, () => letters[Math.floor(Math.random() * letters.length)]).join('')
}
