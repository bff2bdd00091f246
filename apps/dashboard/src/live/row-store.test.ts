import { describe, expect, it } from 'vitest'
import { type Row, type RowEvent, RowStore } from './row-store.ts'

const row = (uid: string, name = uid, cell: string | number = 0, version = 1): Row => ({
  uid,
  namespace: 'default',
  name,
  resourceVersion: String(version),
  creationTimestamp: null,
  labels: {},
  cells: [name, cell],
  receivedAtMs: 0,
})

// A small generator with a seed (mulberry32), so that a failing run can be repeated.
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

describe('RowStore', () => {
  it('keeps rows in the order of namespace and name', () => {
    const store = new RowStore()
    store.apply([row('2', 'b'), row('1', 'c'), row('3', 'a')].map((r): RowEvent => ({ type: 'ADDED', row: r })))
    store.flush()
    expect(store.visible().map((r) => r.name)).toEqual(['a', 'b', 'c'])
  })

  it('moves a row whose sorted cell changes', () => {
    const store = new RowStore()
    store.arrange(
      (a, b) => Number(a.cells[1]) - Number(b.cells[1]),
      () => true,
    )
    store.apply([
      { type: 'ADDED', row: row('1', 'x', 1) },
      { type: 'ADDED', row: row('2', 'y', 2) },
    ])
    store.apply([{ type: 'MODIFIED', row: row('1', 'x', 3, 2) }])
    store.flush()
    expect(store.visible().map((r) => r.uid)).toEqual(['2', '1'])
  })

  it('hides rows that no longer pass the filter and shows those that do again', () => {
    const store = new RowStore()
    store.arrange(undefined, (r) => r.cells[1] !== 0)
    store.apply([{ type: 'ADDED', row: row('1', 'x', 1) }])
    store.apply([{ type: 'MODIFIED', row: row('1', 'x', 0) }])
    store.flush()
    expect(store.visible()).toEqual([])
    store.apply([{ type: 'MODIFIED', row: row('1', 'x', 5) }])
    store.flush()
    expect(store.visible().map((r) => r.uid)).toEqual(['1'])
  })

  it('gives listeners one call a flush and none when nothing changed', () => {
    const store = new RowStore()
    let calls = 0
    store.subscribe(() => calls++)
    store.apply([{ type: 'ADDED', row: row('1') }])
    store.apply([{ type: 'ADDED', row: row('2') }])
    store.flush()
    store.flush()
    expect(calls).toBe(1)
  })

  it.each([1, 7, 42, 1234])('equals a sorted and filtered map after any events (seed %i)', (seed) => {
    const next = random(seed)
    const store = new RowStore()
    const model = new Map<string, Row>()
    store.arrange(
      (a, b) => Number(a.cells[1]) - Number(b.cells[1]),
      (r) => Number(r.cells[1]) % 5 !== 0,
    )
    for (let i = 0; i < 2000; i++) {
      const uid = String(Math.floor(next() * 80))
      const changed = row(uid, `n${Math.floor(next() * 20)}`, Math.floor(next() * 30), i)
      const type = next() < 0.3 ? 'DELETED' : model.has(uid) ? 'MODIFIED' : 'ADDED'
      if (type === 'DELETED') model.delete(uid)
      else model.set(uid, changed)
      store.apply([{ type, row: changed }])
    }
    store.flush()
    const expected = [...model.values()]
      .filter((r) => Number(r.cells[1]) % 5 !== 0)
      .sort(
        (a, b) =>
          Number(a.cells[1]) - Number(b.cells[1]) ||
          (a.name < b.name ? -1 : a.name > b.name ? 1 : a.uid < b.uid ? -1 : 1),
      )
    expect(store.visible()).toEqual(expected)
  })
})
