import type { BatchResult, BatchWrite, Client } from '@binnacle/client'
import { describe, expect, it } from 'vitest'
import { WriteBatcher, type WriteSource } from './write-batcher.ts'

/** A source whose writes name it and count how often it was asked. */
class Source implements WriteSource {
  readonly name: string
  taken = 0
  results: (readonly BatchResult[])[] = []
  #writes: number

  constructor(name: string, writes = 1) {
    this.name = name
    this.#writes = writes
  }

  takeWrites(): readonly BatchWrite[] {
    this.taken++
    const write = { verb: 'bind', pod: { namespace: '', name: `${this.name} ${this.taken}` }, nodeName: '' } as const
    return Array.from({ length: this.#writes }, () => write)
  }

  written(results: readonly BatchResult[]): void {
    this.results.push(results)
  }
}

/** A client whose requests wait until they are answered. */
class Bench {
  readonly requests: { readonly writes: readonly string[]; answer(error?: Error): Promise<void> }[] = []
  readonly batcher: WriteBatcher
  #timers: (() => void)[] = []

  constructor() {
    const client = { writeAll: (writes: readonly BatchWrite[]) => this.#request(writes) } as unknown as Client
    this.batcher = new WriteBatcher(client, (callback) => {
      this.#timers.push(callback)
      return () => void (this.#timers = this.#timers.filter((t) => t !== callback))
    })
  }

  /** The time to gather is over. */
  gathered(): this {
    for (const callback of this.#timers.splice(0)) callback()
    return this
  }

  get sent(): string[][] {
    return this.requests.map((r) => [...r.writes])
  }

  #request(writes: readonly BatchWrite[]): Promise<BatchResult[]> {
    return new Promise((resolve, reject) => {
      this.requests.push({
        writes: writes.map((w) => (w.verb === 'bind' ? w.pod.name : '')),
        answer: async (error) => {
          if (error === undefined)
            resolve(writes.map(() => ({ object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } } })))
          else reject(error)
          await new Promise((done) => void setImmediate(done))
        },
      })
    })
  }
}

describe('the write batcher', () => {
  it('sends together what gathers', () => {
    const bench = new Bench()
    for (const name of ['a', 'b', 'c']) bench.batcher.add(new Source(name), { canWait: false })
    expect(bench.gathered().sent).toEqual([['a 1', 'b 1', 'c 1']])
  })

  it('asks a source once for what it was added twice for', () => {
    const bench = new Bench()
    const a = new Source('a')
    bench.batcher.add(a, { canWait: true })
    bench.batcher.add(a, { canWait: false })
    expect(bench.gathered().sent).toEqual([['a 1']])
  })

  it('sends a source again only when it has been answered', async () => {
    const bench = new Bench()
    const a = new Source('a')
    bench.batcher.add(a, { canWait: false })
    bench.gathered().batcher.add(a, { canWait: false })
    expect(bench.gathered().sent).toEqual([['a 1']])
    await bench.requests[0]?.answer()
    expect(bench.gathered().sent).toEqual([['a 1'], ['a 2']])
  })

  it('lets what can wait go last', () => {
    const bench = new Bench()
    for (let i = 0; i < 256; i++) bench.batcher.add(new Source(`slow-${i}`), { canWait: true })
    bench.batcher.add(new Source('fast'), { canWait: false })
    expect(bench.gathered().sent.map((r) => [r.length, r[0]])).toEqual([
      [256, 'fast 1'],
      [1, 'slow-255 1'],
    ])
  })

  it('has no more than four requests under way', async () => {
    const bench = new Bench()
    for (let i = 0; i < 2000; i++) bench.batcher.add(new Source(`s${i}`), { canWait: false })
    expect(bench.gathered().requests).toHaveLength(4)
    await bench.requests[0]?.answer()
    expect(bench.gathered().requests).toHaveLength(5)
  })

  it('keeps the writes of one source together and gives each source its own results', async () => {
    const bench = new Bench()
    const sources = [new Source('a', 2), new Source('b', 1), new Source('c', 3)]
    for (const source of sources) bench.batcher.add(source, { canWait: false })
    await bench.gathered().requests[0]?.answer()
    expect(sources.map((s) => s.results.map((r) => r.length))).toEqual([[2], [1], [3]])
  })

  it('gives the error of a request that failed to every source in it', async () => {
    const bench = new Bench()
    const a = new Source('a', 2)
    bench.batcher.add(a, { canWait: false })
    await bench.gathered().requests[0]?.answer(new Error('no connection'))
    expect(a.results[0]?.map((r) => 'error' in r && r.error.message)).toEqual(['no connection', 'no connection'])
  })

  it('says when all is written', async () => {
    const bench = new Bench()
    bench.batcher.add(new Source('a'), { canWait: true })
    let isIdle = false
    const idle = bench.batcher.idle().then(() => (isIdle = true))
    bench.gathered()
    expect(isIdle).toBe(false)
    await bench.requests[0]?.answer()
    await idle
    expect(isIdle).toBe(true)
  })

  it('forgets a source that has nothing to say any more', () => {
    const bench = new Bench()
    const a = new Source('a')
    bench.batcher.add(a, { canWait: false })
    bench.batcher.remove(a)
    expect(bench.gathered().sent).toEqual([])
  })
})
