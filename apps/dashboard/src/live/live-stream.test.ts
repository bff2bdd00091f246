import { beforeEach, describe, expect, it, vi } from 'vitest'
import { LiveRows } from './live-rows.ts'
import type { Freshness, Subscribe } from './live-stream.ts'
import type { ApiResource } from './queries.ts'
import { RowStore } from './row-store.ts'

/** A server with a change log: it lists, streams, resumes, breaks connections and forgets its history as the test says. */
class FakeServer {
  readonly #log: { revision: number; type: string; name: string }[] = []
  readonly #objects = new Map<string, number>()
  readonly asked: (string | null)[] = []
  #revision = 0
  #keptFrom = 0
  #sink: Parameters<Subscribe>[1] | undefined
  #sent = 0

  readonly subscribe: Subscribe = ({ variables }, sink) => {
    const from = variables['resourceVersion'] as string | null
    this.asked.push(from)
    this.#sink = sink
    if (from !== null && Number(from) < this.#keptFrom) {
      sink.next({ errors: [{ message: 'too old', extensions: { code: 'EXPIRED' } }] })
      sink.complete()
      return () => undefined
    }
    this.#sent = from === null ? this.#revision : Number(from)
    if (from === null) this.#list(sink)
    else sink.next({ data: { tableRows: { resourceVersion: from, events: [{ type: 'BOOKMARK' }] } } })
    return () => {
      if (this.#sink === sink) this.#sink = undefined
    }
  }

  write(name: string): void {
    const type = this.#objects.has(name) ? 'MODIFIED' : 'ADDED'
    this.#objects.set(name, ++this.#revision)
    this.#log.push({ revision: this.#revision, type, name })
  }

  remove(name: string): void {
    if (!this.#objects.delete(name)) return
    this.#log.push({ revision: ++this.#revision, type: 'DELETED', name })
  }

  /** Sends what changed since the last time. */
  deliver(): void {
    const fresh = this.#log.filter((change) => change.revision > this.#sent)
    if (this.#sink === undefined || fresh.length === 0) return
    this.#sent = this.#revision
    this.#batch(
      this.#sink,
      fresh.map(({ type, name, revision }) => this.#event(type, name, revision)),
    )
  }

  break(): void {
    this.#sink?.error(new Event('close'))
    this.#sink = undefined
  }

  /** Breaks the next initial list in its middle. */
  breakNextList = false

  forget(): void {
    this.#keptFrom = this.#revision + 1
    this.#revision++
  }

  state(): string[] {
    return [...this.#objects].map(([name, revision]) => `${name}@${revision}`).sort()
  }

  #list(sink: Parameters<Subscribe>[1]): void {
    const events = [...this.#objects].map(([name, revision]) => this.#event('ADDED', name, revision))
    const half = Math.floor(events.length / 2)
    this.#batch(sink, events.slice(0, half))
    if (this.breakNextList) {
      this.breakNextList = false
      sink.error(new Event('close'))
      return
    }
    this.#batch(sink, [...events.slice(half), this.#event('INITIAL_END', '', this.#revision)])
  }

  #event(type: string, name: string, revision: number): object {
    return { type, uid: name, namespace: 'default', name, resourceVersion: String(revision), labels: {}, cells: [name] }
  }

  #batch(sink: Parameters<Subscribe>[1], events: object[]): void {
    sink.next({ data: { tableRows: { resourceVersion: String(this.#revision), events } } })
  }
}

const pods = { group: '', version: 'v1', plural: 'pods' } as ApiResource
let server: FakeServer
let store: RowStore
let freshness: Freshness | undefined
let rows: LiveRows

function shown(): string[] {
  store.flush()
  return store.visible().map((row) => `${row.name}@${row.resourceVersion}`)
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('requestAnimationFrame', () => 1)
  vi.stubGlobal('cancelAnimationFrame', () => undefined)
  server = new FakeServer()
  store = new RowStore()
  rows = new LiveRows(
    store,
    { resource: pods, namespaces: [], labelSelector: '' },
    (now) => (freshness = now),
    server.subscribe,
  )
  return () => {
    rows.close()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  }
})

describe('LiveRows', () => {
  it('resumes from its revision after a broken connection, so that a deletion in the gap is seen', async () => {
    server.write('a')
    server.write('b')
    rows.start()
    server.break()
    expect(freshness?.state).toBe('reconnecting')
    server.remove('a')
    await vi.advanceTimersByTimeAsync(6000)
    expect(server.asked).toEqual([null, '2'])
    expect(freshness?.state).toBe('live')
    server.deliver()
    expect(shown()).toEqual(server.state())
  })

  it('lists anew when the history is gone, and shows the old rows until the list is whole', async () => {
    server.write('a')
    server.write('b')
    rows.start()
    const before = shown()
    server.remove('a')
    server.forget()
    server.breakNextList = true
    server.break()
    expect(shown()).toEqual(before)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(server.asked.slice(0, 2)).toEqual([null, '2'])
    expect(shown()).toEqual(server.state())
  })

  it('does not resume from the revision of a list that was cut short', async () => {
    server.write('a')
    server.write('b')
    server.breakNextList = true
    rows.start()
    await vi.advanceTimersByTimeAsync(6000)
    expect(server.asked).toEqual([null, null])
    expect(shown()).toEqual(server.state())
  })

  it('stops at a refusal that will not change', async () => {
    const refused: Subscribe = (_request, sink) => {
      sink.next({ errors: [{ message: 'unable to parse', extensions: { code: 'BadRequest' } }] })
      sink.complete()
      return () => undefined
    }
    const states: Freshness[] = []
    const live = new LiveRows(
      store,
      { resource: pods, namespaces: [], labelSelector: 'a in (' },
      (now) => states.push(now),
      refused,
    )
    live.start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(states).toEqual([{ state: 'failed', resourceVersion: '', error: 'unable to parse' }])
  })

  it.each([3, 11, 2026])('equals the server after any writes, breaks and compactions (seed %i)', async (seed) => {
    let state = seed
    const next = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
    rows.start()
    for (let step = 0; step < 600; step++) {
      const name = `n${Math.floor(next() * 30)}`
      const action = next()
      if (action < 0.5) server.write(name)
      else if (action < 0.7) server.remove(name)
      else if (action < 0.85) server.deliver()
      else if (action < 0.92) server.break()
      else if (action < 0.94) server.forget()
      else if (action < 0.96) server.breakNextList = true
      else await vi.advanceTimersByTimeAsync(next() * 3000)
    }
    await vi.advanceTimersByTimeAsync(60_000)
    server.deliver()
    expect(shown().sort()).toEqual(server.state())
    expect(server.asked.length).toBeGreaterThan(10)
  })
})
