import type { Duplex } from 'node:stream'
import { promisify } from 'node:util'
import { constants, createDeflate, type Deflate } from 'node:zlib'
import { lengthPrefixed, spdyDictionary } from './spdy-dictionary.ts'

/**
 * The client's side of SPDY/3.1 as container runtimes serve it for exec and attach: streams that this side opens, data both ways, no flow control
 * beyond the connection's own (their server announces none). Headers of answers say nothing that is needed, so they are not decompressed.
 *
 *     control frame:  1 | version (15) | type (16) | flags (8) | length (24) | …
 *     data frame:     0 | stream id (31)           | flags (8) | length (24) | data
 */

const frameHeadBytes = 8
/** Control frames of these servers are short; a longer one means that the connection is not what it should be. */
const controlBytesMax = 64 * 1024
const dataBytesMax = 0xffffff
const version = 3
const types = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7 } as const
const finFlag = 1

/** Receives what the other side sends on a stream. */
export interface SpdyReceiver {
  onData(data: Buffer): void
  /** Nothing more comes on it: the other side has finished it or reset it. */
  onEnd(): void
}

/** A stream that this side has opened. */
export interface SpdyStream {
  /** False: the connection has enough to send for now, see `onDrain` of the connection. */
  write(data: Buffer): boolean
  /** This side sends no more; the other may still. */
  end(): void
}

/** See above. */
export class SpdyConnection {
  readonly #socket: Duplex
  readonly #headers = new HeaderCompressor()
  readonly #receivers = new Map<number, SpdyReceiver>()
  #nextStream = 1
  #parser = new FrameParser({
    onData: (stream, data) => this.#receivers.get(stream)?.onData(data),
    onDataEnd: (stream) => this.#finish(stream),
    onControl: (type, flags, payload) => this.#control(type, flags, payload),
  })

  /** Speaks SPDY on a connection that has just been upgraded; `head` is what has come already. `onClose` is called once, when it is gone. */
  constructor(socket: Duplex, head: Buffer, onClose: () => void) {
    this.#socket = socket
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.#headers.close()
      onClose()
    })
    socket.on('end', () => socket.end())
    if (head.length > 0) socket.unshift(head)
  }

  /** Begins to read: after the first streams have been opened. */
  start(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        this.#parser.push(chunk)
      } catch (error) {
        this.#socket.destroy(error as Error)
      }
    })
  }

  /** Opens a stream. The other side learns what it is for from its headers. */
  async open(headers: Readonly<Record<string, string>>, receiver: SpdyReceiver): Promise<SpdyStream> {
    const id = this.#nextStream
    this.#nextStream += 2
    this.#receivers.set(id, receiver)
    const block = await this.#headers.compress(headers)
    const payload = Buffer.alloc(10 + block.length)
    payload.writeUInt32BE(id)
    block.copy(payload, 10)
    this.#sendControl(types.synStream, 0, payload)
    return { write: (data) => this.#sendData(id, 0, data), end: () => void this.#sendData(id, finFlag, empty) }
  }

  /** Reads no more until {@link resume}: the other side will have to wait. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Calls back once what was written has gone out. */
  onDrain(callback: () => void): void {
    this.#socket.once('drain', callback)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #control(type: number, flags: number, payload: Buffer): void {
    const stream = payload.length < 4 ? 0 : payload.readUInt32BE(0) & 0x7fffffff
    switch (type) {
      case types.synReply:
        if ((flags & finFlag) !== 0) this.#finish(stream)
        break
      case types.reset:
        this.#finish(stream)
        break
      case types.ping:
        // One of ours would be odd, and none are sent.
        if (stream % 2 === 0) this.#sendControl(types.ping, 0, payload)
        break
      case types.goAway:
        for (const id of this.#receivers.keys()) this.#finish(id)
        break
    }
  }

  #finish(id: number): void {
    const receiver = this.#receivers.get(id)
    this.#receivers.delete(id)
    receiver?.onEnd()
  }

  #sendControl(type: number, flags: number, payload: Buffer): void {
    const head = Buffer.alloc(frameHeadBytes)
    head.writeUInt16BE(0x8000 | version)
    head.writeUInt16BE(type, 2)
    head.writeUInt32BE(payload.length, 4)
    head[4] = flags
    this.#write(Buffer.concat([head, payload]))
  }

  #sendData(id: number, flags: number, data: Buffer): boolean {
    if (data.length > dataBytesMax) {
      this.#sendData(id, 0, data.subarray(0, dataBytesMax))
      return this.#sendData(id, flags, data.subarray(dataBytesMax))
    }
    const head = Buffer.alloc(frameHeadBytes)
    head.writeUInt32BE(id)
    head.writeUInt32BE(data.length, 4)
    head[4] = flags
    const isReady = this.#write(head)
    return data.length === 0 ? isReady : this.#write(data)
  }

  #write(bytes: Buffer): boolean {
    return this.#socket.writable ? this.#socket.write(bytes) : true
  }
}

const empty = Buffer.alloc(0)

/** Compresses header blocks; all of a connection share one compression context, so they are done one after the other. */
class HeaderCompressor {
  readonly #deflate: Deflate = createDeflate({ dictionary: spdyDictionary, level: constants.Z_BEST_SPEED })
  readonly #flush = promisify((kind: number, done: (error: Error | null) => void) =>
    this.#deflate.flush(kind, () => done(null)),
  )
  #last: Promise<unknown> = Promise.resolve()

  compress(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const entries = Object.entries(headers)
    const count = Buffer.alloc(4)
    count.writeUInt32BE(entries.length)
    const block = Buffer.concat([count, ...entries.flatMap((entry) => entry.map(lengthPrefixed))])
    const compressed = this.#last.then(() => this.#compress(block))
    this.#last = compressed
    return compressed
  }

  /** Gives back the memory of the compression. */
  close(): void {
    this.#deflate.close()
  }

  async #compress(block: Buffer): Promise<Buffer> {
    this.#deflate.write(block)
    await this.#flush(constants.Z_SYNC_FLUSH)
    const parts: Buffer[] = []
    for (let part = this.#deflate.read(); part !== null; part = this.#deflate.read()) parts.push(part as Buffer)
    return Buffer.concat(parts)
  }
}

/** What a {@link FrameParser} finds. */
interface FrameListener {
  /** A piece of a data frame; frames are not gathered. */
  onData(stream: number, data: Buffer): void
  onDataEnd(stream: number): void
  onControl(type: number, flags: number, payload: Buffer): void
}

interface DataFrame {
  readonly stream: number
  readonly flags: number
  /** Bytes that are still to come. */
  left: number
}

/** Cuts a connection's bytes into frames. Holds no more than a frame's head or one control frame. */
class FrameParser {
  readonly #listener: FrameListener
  #held: Buffer = empty
  /** The data frame that is being read. */
  #data: DataFrame | undefined

  constructor(listener: FrameListener) {
    this.#listener = listener
  }

  /** @throws Error when the bytes are no frames of SPDY/3 */
  push(chunk: Buffer): void {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = empty
    while (bytes.length > 0) {
      const taken = this.#data === undefined ? this.#frame(bytes) : this.#piece(bytes, this.#data)
      if (taken === 0) {
        this.#held = bytes
        return
      }
      bytes = bytes.subarray(taken)
    }
  }

  // Both give how many bytes they have taken; 0: there are too few yet.
  #frame(bytes: Buffer): number {
    if (bytes.length < frameHeadBytes) return 0
    const flags = bytes[4] as number
    const length = bytes.readUInt32BE(4) & 0xffffff
    if (((bytes[0] as number) & 0x80) === 0) {
      this.#data = { stream: bytes.readUInt32BE(0), flags, left: length }
      if (length === 0) this.#endData(this.#data)
      return frameHeadBytes
    }
    if ((bytes.readUInt16BE(0) & 0x7fff) !== version) throw new Error('not a frame of SPDY/3')
    if (length > controlBytesMax) throw new Error(`a control frame of ${length} bytes`)
    if (bytes.length < frameHeadBytes + length) return 0
    this.#listener.onControl(bytes.readUInt16BE(2), flags, bytes.subarray(frameHeadBytes, frameHeadBytes + length))
    return frameHeadBytes + length
  }

  #piece(bytes: Buffer, data: DataFrame): number {
    const piece = bytes.subarray(0, data.left)
    this.#listener.onData(data.stream, piece)
    data.left -= piece.length
    if (data.left === 0) this.#endData(data)
    return piece.length
  }

  #endData({ stream, flags }: DataFrame): void {
    this.#data = undefined
    if ((flags & finFlag) !== 0) this.#listener.onDataEnd(stream)
  }
}
