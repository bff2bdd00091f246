import { type KubernetesObject } from '@binnacle/apimachinery'
import { createApiServer, fieldExtractions, inProcessClient } from '@binnacle/apiserver'
import type { BatchWrite, Client } from '@binnacle/client'
import { createScheduler, Manager, type SchedulerRunnable } from '@binnacle/core'
import {
  builtInRegistry,
  namespaces,
  nodes,
  type Pod,
  pods,
  priorityClasses,
  type ResourceDefinition,
  serviceAccounts,
} from '@binnacle/resources'
import { openStore } from '@binnacle/store'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeOf, type Workload, workloads } from './scheduler-workloads.ts'
import { serveOrders } from './worker-process.ts'

/** A process that is what the workers are to scheduling: the scheduler on an in-process client over the store, so that each binding is a commit. */

/** Which workload, and how many of its pods are measured. */
export interface SchedulingRound {
  readonly workload: string
  readonly pods: number
}

/** What it gave. */
export interface SchedulingRate {
  /** Pods bound, their bindings committed. */
  readonly perSecond: number
}

const writesPerBatch = 500
const msMax = 120_000
const user = { name: 'system:kube-scheduler', groups: ['system:masters', 'system:authenticated'] }

await serveOrders(async ({ url }: { url: string }) => {
  const registry = builtInRegistry()
  const store = await openStore({ url, fieldsOf: fieldExtractions(registry) })
  const client = inProcessClient(createApiServer({ store, registry, serviceCidr: '10.96.0.0/16' }), user)
  return (round: SchedulingRound): Promise<SchedulingRate> => run(client, round)
})

async function run(client: Client, { workload: name, pods: count }: SchedulingRound): Promise<SchedulingRate> {
  const workload = workloads.find((candidate) => candidate.name === name)
  if (workload === undefined) throw new Error(`there is no workload '${name}'`)
  await prepare(client, workload, count)
  const { percentageOfNodesToScore = 0 } = workload
  const scheduler = createScheduler({ percentageOfNodesToScore })
  const log = (): void => undefined
  const manager = new Manager({ client, log, controllers: [], runnables: [scheduler] })
  await manager.sync()
  const startedMs = performance.now()
  await manager.start()
  const churning = workload.churns === true ? churn(client, workload, () => isDone(scheduler, count)) : undefined
  while (!isDone(scheduler, count)) {
    if (performance.now() - startedMs > msMax)
      throw new Error(`${scheduler.figures?.bound ?? 0} of ${count} pods were bound within ${msMax / 1000} s`)
    await sleep(2)
  }
  const perSecond = (count / (performance.now() - startedMs)) * 1000
  await churning
  await manager.stop()
  return { perSecond }
}

const isDone = (scheduler: SchedulerRunnable, count: number): boolean => (scheduler.figures?.bound ?? 0) >= count

async function prepare(client: Client, workload: Workload, count: number): Promise<void> {
  for (const namespace of ['sched-0', 'sched-1']) {
    await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    const metadata = { name: 'default', namespace }
    await client.create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  }
  const { nodes: nodeCount, initialPods } = workload
  await createAll(client, nodes, nodeCount, (i) => nodeOf(i, workload.zones))
  await untaint(client, nodeCount)
  await createAll(client, pods, initialPods, (i) => {
    const pod = workload.initialPod(`initial-${i}`)
    // Victims of preemption are gone at once: no kubelet runs here.
    return { ...pod, spec: { ...pod.spec, nodeName: `node-${i % nodeCount}`, terminationGracePeriodSeconds: 0 } }
  })
  const { priority } = workload.measuredPod('').spec
  if (priority !== undefined) await createClass(client, priority)
  await createAll(client, pods, count, (i) => classified(workload.measuredPod(`measured-${i}`)))
}

// The API takes a priority by its class alone.
async function createClass(client: Client, value: number): Promise<void> {
  const metadata = { name: `priority-${value}` }
  await client.create(priorityClasses, { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata, value })
}

function classified(pod: ReturnType<Workload['measuredPod']>): Pod {
  const { priority, ...spec } = pod.spec
  return priority === undefined ? pod : { ...pod, spec: { ...spec, priorityClassName: `priority-${priority}` } }
}

async function createAll<T extends KubernetesObject>(
  client: Client,
  resource: ResourceDefinition<T>,
  count: number,
  objectOf: (index: number) => T,
): Promise<void> {
  for (let from = 0; from < count; from += writesPerBatch) {
    const writes = Array.from({ length: Math.min(writesPerBatch, count - from) }, (_, i): BatchWrite => {
      const { metadata, ...rest } = objectOf(from + i)
      const { uid: _uid, ...given } = metadata
      return { verb: 'create', resource, object: { ...rest, metadata: given } as KubernetesObject }
    })
    for (const result of await client.writeAll(writes, { atomic: false })) if ('error' in result) throw result.error
  }
}

// A node is made with the taint that it is not ready yet; its controller, which does not run here, would take it off.
async function untaint(client: Client, count: number): Promise<void> {
  const patch = { type: 'merge', body: { spec: { taints: null } } } as const
  const writes = Array.from({ length: count }, (_, i): BatchWrite => {
    return { verb: 'patch', resource: nodes, key: { namespace: '', name: `node-${i}` }, patch }
  })
  for (const result of await client.writeAll(writes, { atomic: false })) if ('error' in result) throw result.error
}

/** Nodes come and go, and pods come that no node is big enough for, until all are bound. */
async function churn(client: Client, workload: Workload, isOver: () => boolean): Promise<void> {
  for (let i = 0; !isOver(); i++) {
    const node = nodeOf(workload.nodes + i, workload.zones)
    await client.create(nodes, node)
    const { metadata, ...big } = workload.measuredPod(`churn-${i}`)
    for (const container of big.spec.containers) container.resources = { requests: { cpu: '64' } }
    const { uid: _uid, ...given } = metadata
    await client.create(pods, { ...big, metadata: given })
    await sleep(20)
    await client.delete(nodes, { namespace: '', name: node.metadata.name })
  }
}
