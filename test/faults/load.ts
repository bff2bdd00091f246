import { SeededRandom } from '@binnacle/testing'
import type { Attempt, AttemptedWrite } from './history.ts'
import { type Answer, type Requests, type Server } from './servers.ts'

/**
 * Clients that write ConfigMaps without pause: creates, updates, deletes and atomic groups of objects of their own, and updates of a few objects that
 * all of them want. Each notes what it asked for and what it was told.
 */

/** Where a namespace's ConfigMaps are. */
export const collectionOf = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`
/** Selects those of the load from what controllers put there. */
export const selector = 'labelSelector=made-by%3Dload'
const ownObjects = 6
const sharedObjects = 4
const retryMs = 40

/** The state of an object as its client knows it. */
type Known = { readonly uid: string; readonly revision: number } | 'absent' | 'unsure'

/** What the load is made of. */
export interface LoadOptions {
  readonly servers: readonly Server[]
  readonly requests: Requests
  /** A namespace of its own. */
  readonly namespace: string
  readonly clients: number
  readonly seed: number
}

/** A running load. */
export class Load {
  readonly attempts: Attempt[] = []
  acknowledged = 0
  readonly #options: LoadOptions
  readonly #clients: Promise<void>[]
  #stopping = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.#clients = Array.from({ length: options.clients }, (_, index) => this.#run(index))
  }

  /** Lets every client finish what it is at. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#clients)
  }

  async #run(index: number): Promise<void> {
    const { servers, requests, namespace, seed } = this.#options
    const random = new SeededRandom(seed * 1000 + index)
    const client = new LoadClient({ name: `c${index}`, random, servers, requests, namespace, turn: index })
    while (!this.#stopping) {
      const attempt = await client.step()
      if (attempt === undefined) continue
      this.attempts.push(attempt)
      if (attempt.outcome === 'acknowledged') this.acknowledged++
      // A server that is away is not asked again at once.
      if (attempt.outcome === 'unknown') await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
  }
}

interface ClientOptions {
  readonly name: string
  readonly random: SeededRandom
  readonly servers: readonly Server[]
  readonly requests: Requests
  readonly namespace: string
  readonly turn: number
}

class LoadClient {
  readonly #options: ClientOptions
  readonly #known = new Map<string, Known>()
  readonly #collection: string
  #turn: number
  #written = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.#collection = collectionOf(options.namespace)
    this.#turn = options.turn
    for (let i = 0; i < ownObjects; i++) this.#known.set(`${options.name}-${i}`, 'absent')
  }

  /** One request, and what became of it; undefined when it only looked something up. */
  async step(): Promise<Attempt | undefined> {
    const { random } = this.#options
    const unsure = [...this.#known].find(([, known]) => known === 'unsure')
    if (unsure !== undefined) {
      await this.#lookUp(unsure[0])
      return undefined
    }
    const chance = random.next()
    if (chance < 0.15) return await this.#writeShared(`shared-${random.below(sharedObjects)}`)
    if (chance < 0.4) return await this.#writeGroup()
    const name = random.pick([...this.#known.keys()])
    const known = this.#known.get(name)
    if (known !== 'absent' && random.chance(0.2)) return await this.#delete(name)
    return await this.#write(this.#planned(name))
  }

  #server(): Server {
    const { servers } = this.#options
    return servers[this.#turn++ % servers.length] as Server
  }

  #planned(name: string): AttemptedWrite {
    const token = `${this.#options.name}:${++this.#written}`
    const known = this.#known.get(name)
    if (known === undefined || known === 'absent' || known === 'unsure') return { name, kind: 'create', token }
    return { name, kind: 'update', token, base: known.revision }
  }

  async #lookUp(name: string): Promise<void> {
    const { status, body } = await this.#options.requests.send(this.#server(), 'GET', `${this.#collection}/${name}`)
    if (status === 200) this.#learn(name, body)
    else if (status === 404) this.#known.set(name, 'absent')
    else await new Promise((resolve) => setTimeout(resolve, retryMs))
  }

  #learn(name: string, object: any): void {
    this.#known.set(name, { uid: object.metadata.uid, revision: Number(object.metadata.resourceVersion) })
  }

  async #write(write: AttemptedWrite): Promise<Attempt> {
    const [method, path] =
      write.kind === 'create' ? ['POST', this.#collection] : ['PUT', `${this.#collection}/${write.name}`]
    const answer = await this.#options.requests.send(
      this.#server(),
      method as string,
      path as string,
      bodyOf(this.#options.namespace, write),
    )
    const attempt = this.#attempt([write], answer)
    if (attempt.outcome === 'acknowledged') {
      this.#learn(write.name, answer.body)
      attempt.revisions = [Number(answer.body.metadata.resourceVersion)]
    } else this.#known.set(write.name, 'unsure')
    return attempt
  }

  async #writeGroup(): Promise<Attempt> {
    const names = this.#options.random.shuffle([...this.#known.keys()]).slice(0, 3)
    const writes = names.map((name) => this.#planned(name))
    const answer = await this.#options.requests.send(this.#server(), 'POST', '/apis/binnacle.dev/v1/writes', {
      atomic: true,
      writes: writes.map((write) => ({
        verb: write.kind,
        resource: 'configmaps',
        namespace: this.#options.namespace,
        name: write.name,
        object: bodyOf(this.#options.namespace, write),
      })),
    })
    const attempt = this.#attempt(writes, answer)
    if (attempt.outcome === 'acknowledged') {
      const objects = (answer.body.results as { object: any }[]).map(({ object }) => object)
      for (const [index, object] of objects.entries()) this.#learn(names[index] as string, object)
      attempt.revisions = objects.map((object) => Number(object.metadata.resourceVersion))
    } else for (const name of names) this.#known.set(name, 'unsure')
    return attempt
  }

  async #delete(name: string): Promise<Attempt> {
    const { uid } = this.#known.get(name) as { uid: string }
    const options = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid } }
    const answer = await this.#options.requests.send(this.#server(), 'DELETE', `${this.#collection}/${name}`, options)
    const attempt = this.#attempt([{ name, kind: 'delete', token: uid }], answer)
    this.#known.set(name, attempt.outcome === 'acknowledged' ? 'absent' : 'unsure')
    return attempt
  }

  // Everybody reads, possibly something old, and writes what they made of it: one of them wins.
  async #writeShared(name: string): Promise<Attempt | undefined> {
    const path = `${this.#collection}/${name}`
    const read = await this.#options.requests.send(this.#server(), 'GET', `${path}?resourceVersion=0`)
    if (read.status !== 200 && read.status !== 404) return undefined
    const base = read.status === 200 ? { base: Number(read.body.metadata.resourceVersion) } : {}
    const token = `${this.#options.name}:${++this.#written}`
    const write: AttemptedWrite = { name, kind: read.status === 200 ? 'update' : 'create', token, ...base }
    const [method, target] = write.kind === 'create' ? ['POST', this.#collection] : ['PUT', path]
    const answer = await this.#options.requests.send(
      this.#server(),
      method as string,
      target as string,
      bodyOf(this.#options.namespace, write),
    )
    const attempt = this.#attempt([write], answer)
    if (attempt.outcome === 'acknowledged') attempt.revisions = [Number(answer.body.metadata.resourceVersion)]
    return attempt
  }

  // Only an answer of the 400s says that nothing was done; of the 500s, and of none, anything may be true.
  #attempt(writes: readonly AttemptedWrite[], { status, body }: Answer): Attempt {
    const complete = status < 300 && body !== undefined
    const outcome = status >= 200 && complete ? 'acknowledged' : status >= 400 && status < 500 ? 'refused' : 'unknown'
    return { client: this.#options.name, writes, outcome }
  }
}

/** A ConfigMap that shows which write made it what it is. */
export function bodyOf(namespace: string, { name, token, base }: Omit<AttemptedWrite, 'kind'>): object {
  const resourceVersion = base === undefined ? {} : { resourceVersion: String(base) }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: { 'made-by': 'load' }, ...resourceVersion },
    data: { token, filler: 'x'.repeat(500) },
  }
}
