import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from './product.ts'
import { RawConnection } from './raw-connection.ts'
import { wallClockMs } from './statistics.ts'
import { serveOrders } from './worker-process.ts'

/** A process that updates ConfigMaps at a steady rate, whether or not the earlier updates are answered. */

/** How fast, and for how long. */
export interface SourceRound {
  readonly namespace: string
  readonly perSecond: number
  readonly seconds: number
}

/** What was sent: the revision each update got, when it was sent and when it was answered, by {@link wallClockMs}. */
export interface SourceAnswer {
  readonly updates: readonly (readonly [revision: number, sentMs: number, answeredMs: number])[]
  readonly seconds: number
}

const connections = 48

await serveOrders(
  async (address: Address) =>
    (round: SourceRound): Promise<SourceAnswer> =>
      run(address, round),
)

async function run(address: Address, { namespace, perSecond, seconds }: SourceRound): Promise<SourceAnswer> {
  const idle = await Promise.all(
    Array.from({ length: connections }, async (_, index) => ({ index, connection: await RawConnection.open(address) })),
  )
  const all = [...idle]
  // A later round finds them there.
  await Promise.all(all.map(({ index, connection }) => connection.send(request(address, 'POST', namespace, index))))
  const updates: [number, number, number][] = []
  const failures: string[] = []
  const count = perSecond * seconds
  const startedMs = performance.now()
  let waiting = 0
  const next = (): void => {
    for (let free = idle.pop(); free !== undefined; free = idle.pop()) {
      if (waiting === 0) return void idle.push(free)
      waiting--
      const { index, connection } = free
      const sentMs = wallClockMs()
      const used = free
      void connection.send(request(address, 'PUT', namespace, index)).then(({ status, head }) => {
        const revision = /"resourceVersion":"(\d+)"/.exec(head)?.[1]
        if (status !== 200 || revision === undefined) failures.push(head)
        else updates.push([Number(revision), sentMs, wallClockMs()])
        idle.push(used)
        next()
      })
    }
  }
  for (let due = 0; due < count;) {
    const dueNow = Math.min(count, Math.floor(((performance.now() - startedMs) / 1000) * perSecond) + 1)
    waiting += dueNow - due
    due = dueNow
    next()
    await sleep(1)
  }
  while (updates.length + failures.length < count) await sleep(1)
  const elapsed = (performance.now() - startedMs) / 1000
  for (const { connection } of all) connection.close()
  if (failures[0] !== undefined) throw new Error(failures[0])
  return { updates, seconds: elapsed }
}

// Without a resourceVersion in it an update is unconditional.
function request({ port, token }: Address, method: 'POST' | 'PUT', namespace: string, index: number): string {
  const name = `event-${index}`
  const body = JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    data: { at: String(wallClockMs()) },
  })
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  return [
    `${method} ${path}${method === 'PUT' ? `/${name}` : ''} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    'Accept: application/json',
    `Content-Length: ${body.length}\r\n\r\n${body}`,
  ].join('\r\n')
}
