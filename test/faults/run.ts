import { eventually, type Product } from '../fixtures/product.ts'
import { problemsOf } from './checker.ts'
import type { History } from './history.ts'
import { bodyOf, collectionOf, Load, selector } from './load.ts'
import { objectSeen, Requests, ResumingWatch, type Server } from './servers.ts'

/** One run: a load, the watchers that live through it, and the judgement at the end. */

const lastName = 'last'

/** What a run is made of. */
export interface FaultRunOptions {
  readonly product: Product
  readonly servers: readonly [Server, ...Server[]]
  /** A namespace of the run's own; it is made. */
  readonly namespace: string
  readonly clients: number
  readonly seed: number
}

/** See the file's head. */
export class FaultRun {
  readonly load: Load
  readonly requests: Requests
  readonly #options: FaultRunOptions
  readonly #start: string
  readonly #collection: string
  readonly #watchers: Readonly<Record<string, ResumingWatch>>

  private constructor(options: FaultRunOptions, requests: Requests, start: string) {
    const { product, servers } = options
    this.#options = options
    this.#collection = collectionOf(options.namespace)
    this.#start = start
    this.requests = requests
    const path = `${this.#collection}?${selector}`
    this.#watchers = Object.fromEntries([
      ...servers.map((server) => [`watcher of ${server.name}`, new ResumingWatch(product, [server], path, start)]),
      ['watcher that changes servers', new ResumingWatch(product, servers, path, start)],
    ])
    this.load = new Load({ ...options, requests })
  }

  /** Makes the namespace, attaches the watchers and lets the clients go. */
  static async begin(options: FaultRunOptions): Promise<FaultRun> {
    const requests = new Requests(options.product, options.clients + 4)
    const [server] = options.servers
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: options.namespace } }
    await requests.send(server, 'POST', '/api/v1/namespaces', namespace)
    const { body } = await requests.send(server, 'GET', `${collectionOf(options.namespace)}?limit=1`)
    return new FaultRun(options, requests, body.metadata.resourceVersion)
  }

  /** Waits until so many further writes have been acknowledged. @throws Error when nothing goes on */
  async progress(writes: number, after: string): Promise<void> {
    const before = this.load.acknowledged
    await eventually(() => {
      const done = this.load.acknowledged - before
      if (done < writes) throw new Error(`only ${done} writes were acknowledged after ${after}`)
    })
  }

  /** Ends the load and gives what is wrong; at most twenty problems. */
  async problems(): Promise<string[]> {
    const { product, servers } = this.#options
    const [server] = servers
    await this.load.stop()
    await this.#writeLast(server)
    const reference = new ResumingWatch(product, [server], `${this.#collection}?${selector}`, this.#start)
    const all = { ...this.#watchers, reference }
    await eventually(() => {
      for (const [name, { failure, events }] of Object.entries(all))
        if (failure !== undefined || events.at(-1)?.name !== lastName)
          throw new Error(`${name} has not reached the end: ${failure ?? `${events.length} events`}`)
    })
    for (const watch of Object.values(all)) watch.stop()
    const history: History = {
      attempts: this.load.attempts,
      reference: reference.events.slice(0, -1),
      watchers: Object.fromEntries(
        Object.entries(this.#watchers).map(([name, { events }]) => [name, events.slice(0, -1)]),
      ),
      lists: await this.#lists(),
    }
    return problemsOf(history).slice(0, 20)
  }

  /** How often the least disturbed watcher had to begin again. */
  get resumedMin(): number {
    return Math.min(...Object.values(this.#watchers).map(({ resumed }) => resumed))
  }

  /** What happened, for people. */
  summary(): string {
    const { attempts, acknowledged } = this.load
    const unknown = attempts.filter(({ outcome }) => outcome === 'unknown').length
    return `${attempts.length} requests, ${acknowledged} acknowledged, ${unknown} without an answer`
  }

  close(): void {
    for (const watch of Object.values(this.#watchers)) watch.stop()
    this.requests.close()
  }

  // A write that every watcher has to reach.
  async #writeLast(server: Server): Promise<void> {
    await eventually(async () => {
      const body = bodyOf(this.#options.namespace, { name: lastName, token: lastName })
      const { status } = await this.requests.send(server, 'POST', this.#collection, body)
      if (status !== 201 && status !== 409) throw new Error(`the last write was answered with ${status}`)
    })
  }

  async #lists(): Promise<History['lists']> {
    const lists = this.#options.servers.map(async (server) => {
      const { body } = await this.requests.send(server, 'GET', `${this.#collection}?${selector}`)
      const objects = (body.items as unknown[]).map(objectSeen).filter(({ name }) => name !== lastName)
      return [server.name, objects] as const
    })
    return Object.fromEntries(await Promise.all(lists))
  }
}
