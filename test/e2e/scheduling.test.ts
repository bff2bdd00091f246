import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type Product, startProduct } from '../fixtures/product.ts'

/** The scheduler as an operator configures it, and what it says to people. */

/** One profile that spreads pods, as by default, and one that fills a node before it takes the next. */
const configuration = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  plugins:
    score:
      disabled:
      - name: "*"
      enabled:
      - name: NodeResourcesFit
  pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy:
        type: MostAllocated
`

let product: Product
const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-scheduling-'))

beforeAll(() => {
  const file = path.join(folder, 'scheduler.yaml')
  writeFileSync(file, configuration)
  product = startProduct(['--simulated-nodes', '5', '--no-dashboard', '--scheduler-config', file])
}, 240_000)
afterAll(() => {
  product?.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function createPod(name: string, schedulerName: string, cpu: string): Promise<void> {
  const containers = [{ name: 'c', image: 'app:1', resources: { requests: { cpu } } }]
  const pod = { metadata: { name, namespace: 'default' }, spec: { schedulerName, containers } }
  await product.graphql('mutation ($pod: PodInput!) { createPod(input: $pod) { metadata { name } } }', { pod })
}

async function nodeOf(name: string): Promise<string> {
  const query = 'query ($name: String!) { pod(namespace: "default", name: $name) { spec { nodeName } } }'
  const { pod } = await product.graphql(query, { name })
  return (pod?.spec.nodeName ?? '') as string
}

describe('the scheduler', () => {
  it('schedules the pods of each scheduler name by its own profile', async () => {
    const names = (prefix: string) => Array.from({ length: 5 }, (_, i) => `${prefix}-${i}`)
    for (const name of names('packed')) await createPod(name, 'packing', '100m')
    for (const name of names('spread')) await createPod(name, 'default-scheduler', '100m')
    const nodesOf = async (prefix: string) =>
      await eventually(async () => {
        const nodes = await Promise.all(names(prefix).map(nodeOf))
        expect(nodes).not.toContain('')
        return new Set(nodes)
      })
    expect((await nodesOf('packed')).size).toBe(1)
    expect((await nodesOf('spread')).size).toBeGreaterThan(1)
  })

  it('says in the condition and in the event why a pod fits nowhere, over GraphQL', async () => {
    await createPod('giant', 'default-scheduler', '100000')
    const query = `{ pod(namespace: "default", name: "giant") {
      status { conditions { type status reason message } }
      events(first: 5) { nodes { reason type message } }
    } }`
    const message =
      '0/5 nodes are available: 5 Insufficient cpu. preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.'
    await eventually(async () => {
      const { pod } = await product.graphql(query)
      expect(pod.status.conditions).toContainEqual({
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message,
      })
      expect(pod.events.nodes).toContainEqual({ reason: 'FailedScheduling', type: 'Warning', message })
    })
  })
})
