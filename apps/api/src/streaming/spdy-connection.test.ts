import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { constants, createInflate, deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { SpdyConnection } from './spdy-connection.ts'
import { spdyDictionary } from './spdy-dictionary.ts'

/** The far end of a connection: what was sent to it, and what it sends. */
class FarEnd extends Duplex {
  readonly sent: Buffer[] = []

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent.push(chunk)
    done()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.sent)
  }
}

const control = (type: number, payload: Buffer, flags = 0): Buffer =>
  Buffer.concat([Buffer.from([0x80, 3, 0, type, flags, 0, 0, payload.length]), payload])
const data = (stream: number, text: string, flags = 0): Buffer =>
  Buffer.concat([Buffer.from([0, 0, 0, stream, flags, 0, 0, text.length]), Buffer.from(text)])
const id = (stream: number): Buffer => Buffer.from([0, 0, 0, stream])

async function connection(head: Buffer = Buffer.alloc(0)) {
  const far = new FarEnd()
  const events: string[] = []
  const spdy = new SpdyConnection(far, head, () => events.push('closed'))
  const open = (name: string) =>
    spdy.open(
      { streamtype: name },
      { onData: (bytes) => events.push(`${name}: ${bytes}`), onEnd: () => events.push(`${name} ended`) },
    )
  const streams = { stdout: await open('stdout'), stderr: await open('stderr') }
  spdy.start()
  return { far, events, streams }
}

/** Reads header blocks as the other side does: one context for all. */
async function headersOf(blocks: readonly Buffer[]): Promise<string[]> {
  const inflate = createInflate({ dictionary: spdyDictionary, finishFlush: constants.Z_SYNC_FLUSH })
  const texts: string[] = []
  for (const block of blocks) {
    const text = new Promise<Buffer>((resolve) => inflate.once('data', resolve))
    inflate.write(block)
    texts.push((await text).toString('latin1'))
  }
  return texts
}

describe('the dictionary of SPDY/3', () => {
  it('is the one that the other side has', () => {
    // A zlib stream names its dictionary by the checksum.
    const id = deflateSync('x', { dictionary: spdyDictionary }).readUInt32BE(2).toString(16)
    expect([spdyDictionary.length, id]).toEqual([1423, 'e3c6a7c2'])
  })
})

describe('a SPDY connection', () => {
  it('opens streams with odd ids and says what they are for', async () => {
    const { far } = await connection()
    const frames = far.sent
    expect(frames.map((frame) => frame.subarray(0, 5).toString('hex'))).toEqual(['8003000100', '8003000100'])
    expect(frames.map((frame) => frame.readUInt32BE(8))).toEqual([1, 3])
    expect(await headersOf(frames.map((frame) => frame.subarray(18)))).toEqual([
      '\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x06stdout',
      '\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x06stderr',
    ])
  })

  it('sends data, and the end of a stream', async () => {
    const { far, streams } = await connection()
    far.sent.length = 0
    streams.stderr.write(Buffer.from('abc'))
    streams.stderr.end()
    expect(far.bytes.equals(Buffer.concat([data(3, 'abc'), data(3, '', 1)]))).toBe(true)
  })

  it('hands out what comes, however it is cut', async () => {
    const bytes = Buffer.concat([control(2, id(1)), data(1, 'out'), data(3, 'err', 1), data(1, '', 1)])
    for (let size = 1; size <= bytes.length; size++) {
      const { far, events } = await connection()
      for (let at = 0; at < bytes.length; at += size) far.push(bytes.subarray(at, at + size))
      await turn()
      await turn()
      const text = (name: string): string =>
        events
          .filter((event) => event.startsWith(`${name}: `))
          .map((event) => event.slice(8))
          .join('')
      expect([text('stdout'), text('stderr')]).toEqual(['out', 'err'])
      expect(events.filter((event) => event.endsWith('ended'))).toEqual(['stderr ended', 'stdout ended'])
    }
  })

  it('takes what came with the answer to the upgrade first', async () => {
    const { events } = await connection(data(1, 'early'))
    await turn()
    expect(events).toEqual(['stdout: early'])
  })

  it('ends a stream that is reset, and all when the other side goes away', async () => {
    const { far, events } = await connection()
    far.push(control(3, Buffer.concat([id(1), id(5)])))
    far.push(control(7, Buffer.alloc(8)))
    await turn()
    await turn()
    expect(events).toEqual(['stdout ended', 'stderr ended'])
  })

  it('answers pings', async () => {
    const { far } = await connection()
    far.sent.length = 0
    far.push(control(6, id(2)))
    await turn()
    expect(far.bytes.equals(control(6, id(2)))).toBe(true)
  })

  it.each([
    ['another protocol', Buffer.from('\x80\x02\0\x01\0\0\0\0', 'latin1')],
    ['a control frame without end', Buffer.from([0x80, 3, 0, 2, 0, 0xff, 0xff, 0xff])],
  ])('is closed on %s', async (_, bytes) => {
    const { far, events } = await connection()
    far.push(bytes)
    await turn()
    await turn()
    expect([far.destroyed, events]).toEqual([true, ['closed']])
  })
})
