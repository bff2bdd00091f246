import type { Benchmark, BenchmarkContext } from './benchmark.ts'
import { deploymentOf, readyReplicasIn } from './deployments.ts'
import type { Figure } from './figure.ts'
import { createAll, createNamespace } from './pods.ts'
import { type Product, startProduct, until } from './product.ts'

const secondsMax = 400
const replicasPerDeployment = 100

/** How long a whole cluster takes to be what was asked for. */
export const convergence: Benchmark = {
  name: 'convergence',
  title: '30,000 pods on 1,000 simulated nodes: creation, a rolling update, the deletion of a namespace',
  async run(context): Promise<readonly Figure[]> {
    const scale = context.quick ? 20 : 1
    const sizes = { nodes: 1000 / scale, deployments: 300 / scale, rolled: 1000 / scale, objects: 10_000 / scale }
    const product = await startProduct(context.cleanup, ['--simulated-nodes', String(sizes.nodes)])
    await nodesReady(product, sizes.nodes)
    const pods = sizes.deployments * replicasPerDeployment
    return [
      {
        name: `${text(pods)} pods of ${sizes.deployments} Deployments on ${text(sizes.nodes)} nodes`,
        unit: 's',
        ours: await create(product, sizes.deployments, context),
        goal: { of: 'ours', atMost: 60 },
        note: 'From the first create of a Deployment (REST, 400 writes a request) until the Deployments count every pod as ready, looked at four times a second. The simulated kubelets, a process of its own on the same cores, take 0.2–0.8 s to start a pod and 0.1–0.4 s until it is ready.',
      },
      {
        name: `rolling update of ${text(sizes.rolled)} replicas`,
        unit: 's',
        ours: await roll(product, sizes.rolled, context),
        goal: { of: 'ours', atMost: 30 },
        note: `Beside the ${text(pods)} pods, with the default surge and unavailability of a quarter: from the patch of the image until all replicas are updated and available and the old pods are gone.`,
      },
      {
        name: `deletion of a namespace of ${text(sizes.objects)} objects`,
        unit: 's',
        ours: await deleteNamespace(product, sizes.objects, context),
        goal: { of: 'ours', atMost: 20 },
        note: 'Three tenths are running pods (of Deployments of 100), the others ConfigMaps; from the request until the namespace is gone. Pods take 0.1–0.5 s to end, and five seconds are the grace of a namespace, as upstream.',
      },
    ]
  },
}

const text = (count: number): string => count.toLocaleString('en')

/** Waits until so many nodes are ready for pods. */
export async function nodesReady(product: Product, count: number): Promise<void> {
  await until(
    async () => {
      const { items } = await product.call('GET', '/api/v1/nodes')
      return (
        (items as { spec: { taints?: object[] } }[]).filter(({ spec }) => (spec.taints ?? []).length === 0).length ===
        count
      )
    },
    secondsMax * 1000,
    1000,
  )
}

/** Makes Deployments of 100 replicas in a new namespace and waits until every pod is ready; gives the seconds from the first create. */
export async function rollOut(
  product: Product,
  namespace: string,
  deployments: number,
  wait = { secondsMax, intervalMs: 250 },
): Promise<number> {
  await createNamespace(product, namespace)
  const startedMs = performance.now()
  await createAll(product, 'deployments', namespace, deployments, (number) =>
    deploymentOf({ name: `web-${number}`, namespace, replicas: replicasPerDeployment }),
  )
  const pods = deployments * replicasPerDeployment
  await until(async () => (await readyReplicasIn(product, namespace)) === pods, wait.secondsMax * 1000, wait.intervalMs)
  return secondsSince(startedMs)
}

async function create(product: Product, deployments: number, { quiet, log }: BenchmarkContext): Promise<number> {
  await quiet()
  const before = product.parts()
  const seconds = await rollOut(product, 'wide', deployments)
  log(`${deployments * replicasPerDeployment} pods ready after ${seconds.toFixed(1)} s; ${used(product, before)}`)
  return seconds
}

async function roll(product: Product, replicas: number, { quiet, log }: BenchmarkContext): Promise<number> {
  const path = '/apis/apps/v1/namespaces/default/deployments'
  await product.call('POST', path, deploymentOf({ name: 'rolled', namespace: 'default', replicas }))
  await until(
    async () => (await product.call('GET', `${path}/rolled`)).status?.readyReplicas === replicas,
    120_000,
    250,
  )
  await quiet()
  const before = product.parts()
  const startedMs = performance.now()
  const deployment = await product.call('GET', `${path}/rolled`)
  deployment.spec.template.spec.containers[0].image = 'registry.example.com/app:v2'
  const { metadata } = await product.call('PUT', `${path}/rolled`, deployment)
  await until(
    async () => {
      const { status } = await product.call('GET', `${path}/rolled`)
      const { observedGeneration, updatedReplicas, availableReplicas, terminatingReplicas = 0 } = status
      if (observedGeneration < metadata.generation || updatedReplicas !== replicas) return false
      return availableReplicas === replicas && status.replicas === replicas && terminatingReplicas === 0
    },
    secondsMax * 1000,
    100,
  )
  const seconds = secondsSince(startedMs)
  log(`${replicas} replicas rolled after ${seconds.toFixed(1)} s; ${used(product, before)}`)
  return seconds
}

async function deleteNamespace(product: Product, objects: number, context: BenchmarkContext): Promise<number> {
  const { quiet, log } = context
  const namespace = 'doomed'
  const deployments = (objects * 0.3) / replicasPerDeployment
  await rollOut(product, namespace, Math.ceil(deployments))
  await createAll(product, 'configmaps', namespace, objects * 0.7, (number) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `settings-${number}`, namespace },
    data: { settings: String(number).repeat(100) },
  }))
  await quiet()
  const before = product.parts()
  const startedMs = performance.now()
  await product.call('DELETE', `/api/v1/namespaces/${namespace}`)
  await until(async () => !(await hasNamespace(product, namespace)), secondsMax * 1000, 100)
  const seconds = secondsSince(startedMs)
  log(`a namespace of ${objects} objects gone after ${seconds.toFixed(1)} s; ${used(product, before)}`)
  return seconds
}

async function hasNamespace(product: Product, name: string): Promise<boolean> {
  const { items } = await product.call('GET', `/api/v1/namespaces?fieldSelector=metadata.name%3D${name}`)
  return items.length > 0
}

const secondsSince = (startedMs: number): number => (performance.now() - startedMs) / 1000

function used(product: Product, before: ReturnType<Product['parts']>): string {
  return product
    .parts()
    .map(({ name, bytes, cpuSeconds }, index) => {
      const cpu = cpuSeconds - (before[index]?.cpuSeconds ?? 0)
      return `${name} ${cpu.toFixed(1)} s of processor time and ${Math.round(bytes / 1e6)} MB`
    })
    .join(', ')
}
