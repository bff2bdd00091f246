import { connect as connectPlain, type Socket } from 'node:net'
import { connect } from 'node:tls'

/**
 * One kept-alive HTTP/1.1 connection, over TLS or plain, without an HTTP library: the load generator shares the cores with what it measures, so it must cost
 * little. One request at a time.
 */
export class RawConnection {
  readonly #socket: Socket
  #waiting: { resolve(answer: RawAnswer): void; reject(error: Error): void } | undefined
  #head = ''
  #status = 0
  /** Body bytes still to come; undefined while the head is incomplete, -1 for a chunked body. */
  #rest: number | undefined
  #tail = ''
  #bytes = 0
  #sentMs = 0
  #firstByteMs = 0

  /** Without `ca`: without TLS. */
  static open({ port, ca }: { readonly port: number; readonly ca?: string }): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      let connection: RawConnection | undefined
      // One buffer for all reads: what is read is only counted.
      const onread = {
        buffer: Buffer.alloc(256 * 1024),
        callback: (bytes: number, buffer: Uint8Array): boolean => {
          if (connection !== undefined) connection.#take(Buffer.from(buffer.buffer, buffer.byteOffset, bytes))
          return true
        },
      }
      const host = '127.0.0.1'
      const opened = (): void => {
        socket.setNoDelay(true)
        resolve((connection = new RawConnection(socket)))
      }
      const socket: Socket =
        ca === undefined
          ? connectPlain({ host, port, onread }, opened)
          : connect({ host, port, ca, ALPNProtocols: ['http/1.1'], ...({ onread } as object) }, opened)
      socket.once('error', reject)
    })
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    const broken = (error?: Error): void => this.#waiting?.reject(error ?? new Error('the connection was closed'))
    socket.on('error', broken).on('close', () => broken())
  }

  /** Sends a whole request, head and body, of latin1 text. */
  send(request: string): Promise<RawAnswer> {
    if (this.#socket.destroyed) return Promise.reject(new Error('the connection was closed'))
    this.#head = ''
    this.#rest = undefined
    this.#tail = ''
    this.#bytes = 0
    this.#sentMs = performance.now()
    const answer = new Promise<RawAnswer>((resolve, reject) => (this.#waiting = { resolve, reject }))
    this.#socket.write(request, 'latin1')
    return answer
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    if (this.#bytes === 0) this.#firstByteMs = performance.now() - this.#sentMs
    this.#bytes += chunk.length
    let body = chunk
    if (this.#rest === undefined) {
      this.#head += chunk.toString('latin1')
      const end = this.#head.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#status = Number(this.#head.slice(9, 12))
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head.slice(0, end))?.[1]
      this.#rest = length === undefined ? -1 : Number(length)
      body = chunk.subarray(chunk.length - (this.#head.length - end - 4))
    }
    if (this.#rest < 0) {
      this.#tail = (this.#tail + body.toString('latin1', Math.max(0, body.length - 7))).slice(-7)
      if (this.#tail !== '\r\n0\r\n\r\n') return
    } else {
      this.#rest -= body.length
      if (this.#rest > 0) return
    }
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve({ status: this.#status, bytes: this.#bytes, firstByteMs: this.#firstByteMs, head: this.#head })
  }
}

/** What came back. */
export interface RawAnswer {
  readonly status: number
  /** Of the whole answer, head included. */
  readonly bytes: number
  /** From sending to the first byte of the answer. */
  readonly firstByteMs: number
  /** The head with as much of the body as came with it. */
  readonly head: string
}
