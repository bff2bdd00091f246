import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** What an extender is asked, as Go writes it. */
export interface Question {
  readonly verb: string
  readonly body: any
}

/** A real HTTP server for tests that answers as told, and remembers what it was asked. */
export class ExtenderServer {
  readonly questions: Question[] = []
  /** By verb; an answer may take its time. Without one: 404. */
  readonly answers: Record<string, (body: any) => unknown> = {}
  /** The next question finds the connection closed. */
  hangsUpOnce = false
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** Starts a new one; over HTTPS with a certificate and its key. */
  static async startNew(tls?: { readonly cert: string; readonly key: string }): Promise<ExtenderServer> {
    const listener: RequestListener = (request, response) => {
      if (extender.hangsUpOnce) {
        extender.hangsUpOnce = false
        request.socket.destroy()
        return
      }
      void answerOf(extender, request).then(
        (answer) => response.setHeader('content-type', 'application/json').end(JSON.stringify(answer) ?? ''),
        (error: Error) => response.writeHead(Number(error.message) || 500).end(),
      )
    }
    const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener)
    const extender = new ExtenderServer(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return extender
  }

  /** Where it listens, by the protocol that is spoken. */
  url(protocol = 'http'): string {
    return `${protocol}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/scheduler`
  }

  /** The verbs that it was asked, in order. */
  get verbs(): string[] {
    return this.questions.map(({ verb }) => verb)
  }

  /** Ends it and its connections. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

async function answerOf(extender: ExtenderServer, request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  const verb = request.url?.replace('/scheduler/', '') ?? ''
  const body = JSON.parse(text) as unknown
  extender.questions.push({ verb, body })
  const answer = extender.answers[verb]
  if (answer === undefined) throw new Error('404')
  return await answer(body)
}
