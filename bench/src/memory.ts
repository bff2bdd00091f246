import { setTimeout as sleep } from 'node:timers/promises'
import type { Benchmark } from './benchmark.ts'
import type { Figure } from './figure.ts'
import { createPods } from './pods.ts'
import { startProduct } from './product.ts'

const settleMs = 20_000

/** What the API server's process takes once it holds many pods. */
export const memoryOfPods: Benchmark = {
  name: 'memory',
  title: 'Resident memory of the API process with 50,000 pods of 3 KB',
  async run({ cleanup, quick, log }): Promise<readonly Figure[]> {
    const pods = quick ? 5000 : 50_000
    const product = await startProduct(cleanup, ['--simulated-nodes', '0'])
    const empty = product.apiMemory().now
    await createPods(product, pods, log)
    const created = product.apiMemory()
    await sleep(quick ? 1000 : settleMs)
    const settled = product.apiMemory()
    // What a pod takes on the wire, the usual measure.
    const page = await product.call<{ items: object[] }>('GET', '/api/v1/namespaces/bench/pods?limit=100')
    const bytes = Math.round(JSON.stringify(page.items).length / page.items.length)
    log(
      `${bytes} bytes a pod; ${Object.entries({ empty, settled: settled.now, highest: settled.highest })
        .map(([name, value]) => `${name} ${Math.round(value / 1e6)} MB`)
        .join(', ')}`,
    )
    const note = `${pods.toLocaleString('en')} pods of ${bytes} bytes, created through the API in this process's life; VmRSS of the process that serves REST and GraphQL, ${settleMs / 1000} s after the last write. The history of all of it is still within its retention.`
    return [
      {
        name: `after ${pods.toLocaleString('en')} pods, settled`,
        unit: 'MB',
        ours: settled.now / 1e6,
        goal: { of: 'ours', atMost: 600 },
        note,
      },
      { name: 'right after the last create', unit: 'MB', ours: created.now / 1e6 },
      { name: 'highest', unit: 'MB', ours: settled.highest / 1e6 },
      { name: 'before the first pod', unit: 'MB', ours: empty / 1e6 },
    ]
  },
}
