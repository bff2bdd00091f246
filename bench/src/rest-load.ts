import type { WriteRates } from './etcd.ts'
import type { Address } from './product.ts'
import { RawConnection } from './raw-connection.ts'
import { quantile } from './statistics.ts'
import { serveOrders } from './worker-process.ts'

/** A process that creates ConfigMaps over kept-alive connections as fast as they are answered. */

/** One round. */
export interface RestRound {
  readonly connections: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

/** What it gave; `generatorCpuMs` is what this process itself took per request. */
export interface RestRates extends WriteRates {
  readonly generatorCpuMs: number
}

const objectBytes = 1024

await serveOrders(
  async (address: Address) =>
    (round: RestRound): Promise<RestRates> =>
      run(address, round),
)

let rounds = 0

async function run(address: Address, { connections, warmUpSeconds, seconds }: RestRound): Promise<RestRates> {
  const round = rounds++
  const open = await Promise.all(Array.from({ length: connections }, () => RawConnection.open(address)))
  const latencies: number[] = []
  const beginMs = performance.now() + warmUpSeconds * 1000
  const endMs = beginMs + seconds * 1000
  const cpu = process.cpuUsage()
  let sent = 0
  await Promise.all(
    open.map(async (connection, index) => {
      const [before, after] = requestAround(address)
      for (let i = 0; ; i++) {
        const startMs = performance.now()
        if (startMs >= endMs) return
        const name = `r${round}-${String(index).padStart(4, '0')}-${String(i).padStart(8, '0')}`.padStart(20, 'r')
        sent++
        const { status, head } = await connection.send(before + name + after)
        if (status !== 201) throw new Error(head)
        if (startMs >= beginMs) latencies.push(performance.now() - startMs)
      }
    }),
  )
  const elapsed = (performance.now() - beginMs) / 1000
  const used = process.cpuUsage(cpu)
  for (const connection of open) connection.close()
  return {
    writes: latencies.length,
    seconds: elapsed,
    perSecond: latencies.length / elapsed,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    generatorCpuMs: (used.user + used.system) / 1000 / sent,
  }
}

// The request's text before and after the object's name, which is always of the same length.
function requestAround({ port, token }: Address): readonly [string, string] {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  const object = (text: string): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: '#'.repeat(20), namespace: 'default' },
      data: { text },
    })
  const filler = Array.from(
    { length: objectBytes - object('').length },
    () => letters[Math.floor(Math.random() * letters.length)],
  )
  const head = [
    'POST /api/v1/namespaces/default/configmaps HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    'Accept: application/json',
    'User-Agent: bench/1.0',
    `Content-Length: ${objectBytes}`,
  ].join('\r\n')
  const [before = '', after = ''] = `${head}\r\n\r\n${object(filler.join(''))}`.split('#'.repeat(20))
  return [before, after]
}
