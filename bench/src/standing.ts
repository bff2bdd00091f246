import { setTimeout as sleep } from 'node:timers/promises'
import type { Benchmark } from './benchmark.ts'
import { nodesReady, rollOut } from './convergence.ts'
import type { Figure } from './figure.ts'
import { startProduct } from './product.ts'

const settleMs = 60_000
const restMs = 60_000

/** What a big cluster takes while nothing happens in it but heartbeats. */
export const standing: Benchmark = {
  name: 'standing',
  title: '150,000 pods on 5,000 simulated nodes: what each process takes at rest',
  async run({ cleanup, quick, quiet, log }): Promise<readonly Figure[]> {
    const [nodes, deployments] = quick ? [100, 20] : [5000, 1500]
    await quiet()
    const product = await startProduct(cleanup, ['--simulated-nodes', String(nodes)])
    await nodesReady(product, nodes)
    const seconds = await rollOut(product, 'standing', deployments, { secondsMax: 1200, intervalMs: 5000 })
    log(`${deployments * 100} pods ready after ${seconds.toFixed(0)} s`)
    await sleep(quick ? 1000 : settleMs)
    const before = product.parts()
    await sleep(quick ? 5000 : restMs)
    const parts = product.parts().map(({ name, bytes, cpuSeconds }, index) => {
      const cpu = (cpuSeconds - (before[index]?.cpuSeconds ?? 0)) / ((quick ? 5000 : restMs) / 1000)
      return { name, megabytes: bytes / 1e6, cpuPercent: cpu * 100 }
    })
    const ready = { name: 'until all were ready', unit: 's', ours: seconds }
    const note = `${settleMs / 1000} s after the last pod was ready, over ${restMs / 1000} s. Memory is each process's own and its share of what is shared (Pss); 100 % is one core. A node renews its Lease every 10 s.`
    return [
      ready,
      ...parts.map(({ name, megabytes }) => ({ name: `${name}: memory`, unit: 'MB', ours: megabytes, note })),
      ...parts.map(({ name, cpuPercent }) => ({ name: `${name}: processor`, unit: '%', ours: cpuPercent })),
    ]
  },
}
