import type { ListAddress } from './list.ts'
import { RawConnection } from './raw-connection.ts'
import { serveOrders } from './worker-process.ts'

/** A process that reads one large answer again and again over one connection. */

/** What to read, and for how long. */
export interface ListRound {
  readonly address: ListAddress
  readonly path: string
  readonly seconds: number
}

/** What it gave. */
export interface ListRates {
  readonly perSecond: number
  readonly bytes: number
  readonly firstByteMs: readonly number[]
}

await serveOrders(async () => run)

async function run({ address, path, seconds }: ListRound): Promise<ListRates> {
  const connection = await RawConnection.open(address)
  const request = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${address.port}`,
    `Authorization: Bearer ${address.token}`,
    'Accept: application/json',
    'Accept-Encoding: identity',
    'User-Agent: bench/1.0\r\n\r\n',
  ].join('\r\n')
  const first = await connection.send(request)
  if (first.status !== 200) throw new Error(first.head)
  const { bytes } = first
  const read = async (): Promise<{ firstByteMs: number }> => {
    const answer = await connection.send(request)
    // Else it would be another list that is measured.
    if (answer.status !== 200 || Math.abs(answer.bytes - bytes) > bytes / 100) throw new Error(answer.head)
    return answer
  }
  const startedMs = performance.now()
  const firstByteMs: number[] = []
  while (performance.now() - startedMs < seconds * 1000) firstByteMs.push((await read()).firstByteMs)
  const perSecond = firstByteMs.length / ((performance.now() - startedMs) / 1000)
  connection.close()
  return { perSecond, bytes, firstByteMs }
}
