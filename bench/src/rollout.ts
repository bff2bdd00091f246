import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Benchmark } from './benchmark.ts'
import { hasProgram } from './child.ts'
import { deploymentOf } from './deployments.ts'
import type { Figure } from './figure.ts'
import { type Product, startProduct, until } from './product.ts'
import { median } from './statistics.ts'

const secondsMax = 240

/** From the user's command to a cluster that has done it. */
export const rollout: Benchmark = {
  name: 'rollout',
  title: 'A Deployment of 5,000 replicas on 500 simulated nodes, until all are ready',
  async run({ cleanup, quick, quiet, log }): Promise<readonly Figure[]> {
    const [nodes, replicas] = quick ? [50, 500] : [500, 5000]
    const product = await startProduct(cleanup, ['--simulated-nodes', String(nodes)])
    const kubectl = await hasProgram('kubectl', 'version', '--client')
    const folder = cleanup.folder('rollout')
    const taken: number[] = []
    for (let turn = 0; turn < (quick ? 1 : 2); turn++) {
      await quiet()
      const seconds = await roll(product, `big-${turn}`, replicas, kubectl ? folder : undefined)
      taken.push(seconds)
      log(`${replicas} replicas ready after ${seconds.toFixed(1)} s`)
      // Room for the next one.
      await product.call('DELETE', `/apis/apps/v1/namespaces/default/deployments/big-${turn}`)
      await until(async () => (await podCount(product)) === 0, secondsMax * 1000, 500)
    }
    const note = `From ${kubectl ? 'the start of `kubectl apply`' : 'the REST create (no kubectl here)'} to \`status.readyReplicas\` of the Deployment, looked at every 50 ms; the simulated kubelet's default delays (0.2–0.8 s to start, 0.1–0.4 s to be ready) are in it. The first of ${taken.length} runs took ${taken[0]?.toFixed(1)} s.`
    return [
      {
        name: `${replicas.toLocaleString('en')} replicas on ${nodes} nodes`,
        unit: 's',
        ours: median(taken),
        goal: { of: 'ours', atMost: 15 },
        note,
      },
    ]
  },
}

async function roll(product: Product, name: string, replicas: number, folder: string | undefined): Promise<number> {
  const deployment = deploymentOf({ name, namespace: 'default', replicas })
  const file = folder === undefined ? '' : path.join(folder, `${name}.json`)
  if (file !== '') writeFileSync(file, JSON.stringify(deployment))
  const startedMs = performance.now()
  if (folder === undefined) await product.call('POST', '/apis/apps/v1/namespaces/default/deployments', deployment)
  else {
    const env = { ...process.env, KUBECONFIG: product.kubeconfig, KUBECACHEDIR: path.join(folder, 'cache') }
    await promisify(execFile)('kubectl', ['apply', '-f', file], { env, timeout: 60_000 })
  }
  await until(
    async () => {
      const { status } = await product.call('GET', `/apis/apps/v1/namespaces/default/deployments/${name}`)
      return status?.readyReplicas === replicas
    },
    secondsMax * 1000,
    50,
  )
  return (performance.now() - startedMs) / 1000
}

async function podCount(product: Product): Promise<number> {
  const list = await product.call('GET', '/api/v1/namespaces/default/pods?limit=1')
  return list.items.length + (list.metadata.remainingItemCount ?? 0)
}
