import { Agent, request } from 'node:https'
import type { SeenEvent } from './history.ts'

/** Speaking with API servers that may die at any moment. */

const answerMsMax = 30_000

/** An API server as clients reach it: its address may change when it is started again. */
export interface Server {
  readonly name: string
  address(): string
}

/** What every request needs. */
export interface Credentials {
  readonly ca: string
  readonly token: string
}

/** An answer; `status` 0: none came, and nobody knows what became of the request. */
export interface Answer {
  readonly status: number
  readonly body: any
}

/** Sends requests over connections that are kept. */
export class Requests {
  readonly #credentials: Credentials
  readonly #agent: Agent

  constructor(credentials: Credentials, connectionsMax: number) {
    this.#credentials = credentials
    this.#agent = new Agent({ keepAlive: true, maxSockets: connectionsMax, ca: credentials.ca })
  }

  /** Never rejects. */
  send(server: Server, method: string, path: string, body?: object): Promise<Answer> {
    return new Promise((resolve) => {
      const unknown = (): void => resolve({ status: 0, body: undefined })
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
      const text = body === undefined ? undefined : JSON.stringify(body)
      // Node says of itself how long a body is, but not for DELETE.
      const length = text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }
      const headers = { authorization: `Bearer ${this.#credentials.token}`, ...length }
      const outgoing = request(
        `${server.address()}${path}`,
        { method, headers, agent: this.#agent, timeout: answerMsMax },
        (response) => {
          let answer = ''
          response.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
          response.on('error', unknown)
          response.on('end', () => {
            // A server that dies in the middle of an answer has said nothing.
            if (response.complete) resolve({ status: response.statusCode ?? 0, body: parsed(answer) })
            else unknown()
          })
          response.on('close', unknown)
        },
      )
      outgoing.on('timeout', () => outgoing.destroy())
      outgoing.on('error', unknown)
      outgoing.end(text)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const retryMs = 50

/** A watch that lives as long as the test: whenever it breaks it goes on, at the next server, from the last resourceVersion that it saw. */
export class ResumingWatch {
  readonly events: SeenEvent[] = []
  /** How often it was begun again. */
  resumed = 0
  /** Set when a server refused to go on from there. */
  failure: string | undefined
  readonly #credentials: Credentials
  readonly #servers: readonly Server[]
  readonly #path: string
  #resourceVersion: string
  #turn = 0
  #stop: () => void = () => undefined
  #stopped = false

  /** `path`: with at least one query parameter. */
  constructor(credentials: Credentials, servers: readonly Server[], path: string, resourceVersion: string) {
    this.#credentials = credentials
    this.#servers = servers
    this.#path = path
    this.#resourceVersion = resourceVersion
    this.#connect()
  }

  stop(): void {
    this.#stopped = true
    this.#stop()
  }

  #connect(): void {
    if (this.#stopped) return
    const server = this.#servers[this.#turn++ % this.#servers.length] as Server
    let ended = false
    const again = (): void => {
      if (ended) return
      ended = true
      this.resumed++
      setTimeout(() => this.#connect(), retryMs)
    }
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${this.#resourceVersion}`
    const outgoing = request(
      `${server.address()}${this.#path}&${query}`,
      { ca: this.#credentials.ca, headers: { authorization: `Bearer ${this.#credentials.token}` } },
      (response) => {
        let rest = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n')
          rest = lines.pop() as string
          if (response.statusCode === 200) for (const line of lines) this.#take(JSON.parse(line))
        })
        response.on('error', again)
        response.on('close', again)
      },
    )
    outgoing.on('error', again)
    outgoing.end()
    this.#stop = () => outgoing.destroy()
  }

  #take({ type, object }: { type: string; object: any }): void {
    if (type === 'ERROR') {
      this.failure = object.message
      return
    }
    this.#resourceVersion = object.metadata.resourceVersion
    if (type !== 'BOOKMARK') this.events.push({ type: type as SeenEvent['type'], ...objectSeen(object) })
  }
}

/** What the checker wants to know of a ConfigMap. */
export function objectSeen(object: any): Omit<SeenEvent, 'type'> {
  const { metadata, data } = object
  return {
    revision: Number(metadata.resourceVersion),
    name: metadata.name,
    uid: metadata.uid,
    token: data?.token ?? '',
  }
}
