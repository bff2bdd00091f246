import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, https, type Product, root, startProduct } from '../fixtures/product.ts'

/** A node whose agent dies: its pods are given up and replaced elsewhere. And a cluster that has come to rest. */

let product: Product
let agent: ChildProcess

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
}, 240_000)
afterAll(() => {
  agent?.kill('SIGKILL')
  product?.remove()
})

async function call(method: string, url: string, body?: object): Promise<any> {
  const answer = await https(product, `${product.endpoints.api}${url}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  if (answer.status >= 300) throw new Error(`${method} ${url}: ${answer.status} ${answer.body}`)
  return JSON.parse(answer.body)
}

function startAgent(): ChildProcess {
  const pki = (file: string): string => path.join(product.dataDir, 'pki', file)
  const args = Object.entries({
    server: product.endpoints.api,
    ca: path.join(product.dataDir, 'ca.crt'),
    'client-cert': pki('simulated-nodes.crt'),
    'client-key': pki('simulated-nodes.key'),
    simulated: '1',
    'name-prefix': 'lost-',
  }).flatMap(([name, value]) => [`--${name}`, value])
  return spawn(process.execPath, ['apps/node/src/main.ts', ...args], { cwd: root, stdio: 'ignore' })
}

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 8,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [{ name: 'app', image: 'app:1' }],
        terminationGracePeriodSeconds: 1,
        tolerations: ['not-ready', 'unreachable'].map((name) => ({
          key: `node.kubernetes.io/${name}`,
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: 2,
        })),
      },
    },
  },
}

const pods = async (): Promise<any[]> => (await call('GET', '/api/v1/namespaces/default/pods')).items
const isReady = (pod: any): boolean =>
  pod.status.conditions?.some((condition: any) => condition.type === 'Ready' && condition.status === 'True') === true

async function readyElsewhere(): Promise<number> {
  return (await pods()).filter((pod) => isReady(pod) && pod.spec.nodeName !== 'lost-0').length
}

describe('a node whose agent dies', () => {
  it('is tainted, and its pods are replaced elsewhere', async () => {
    agent = startAgent()
    await eventually(async () => {
      const { status } = await call('GET', '/api/v1/nodes/lost-0')
      expect(status.conditions.find(({ type }: any) => type === 'Ready').status).toBe('True')
    })
    await call('POST', '/apis/apps/v1/namespaces/default/deployments', deployment)
    await eventually(async () => expect((await pods()).filter(isReady)).toHaveLength(8))
    const victims = (await pods()).filter((pod) => pod.spec.nodeName === 'lost-0')
    expect(victims.length).toBeGreaterThan(0)

    agent.kill('SIGKILL')
    await eventually(async () => expect(await readyElsewhere()).toBe(8), 120)
    const node = await call('GET', '/api/v1/nodes/lost-0')
    expect(node.spec.taints.map(({ key, effect }: any) => `${key}:${effect}`).toSorted()).toEqual([
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/unreachable:NoSchedule',
    ])
    const left = (await pods()).filter((pod) => pod.spec.nodeName === 'lost-0')
    expect(left.every((pod) => pod.metadata.deletionTimestamp !== undefined && !isReady(pod))).toBe(true)
    expect(left[0].status.conditions).toContainEqual(expect.objectContaining({ reason: 'DeletionByTaintManager' }))
  }, 240_000)

  it('takes its pods along when it is deleted', async () => {
    await call('DELETE', '/api/v1/nodes/lost-0')
    await eventually(
      async () => expect((await pods()).filter((pod) => pod.spec.nodeName === 'lost-0')).toEqual([]),
      120,
    )
  }, 150_000)
})

describe('a cluster at rest', () => {
  // Version of every object but leases, which are renewed, by path.
  async function versions(): Promise<Record<string, string>> {
    const groups: string[] = (await call('GET', '/apis')).groups.map(
      (group: any) => `/apis/${group.preferredVersion.groupVersion}`,
    )
    const found: Record<string, string> = {}
    for (const base of ['/api/v1', ...groups]) {
      const { resources } = await call('GET', base)
      for (const { name, verbs } of resources) {
        if (!verbs.includes('list') || name.includes('/') || name === 'leases') continue
        for (const { metadata } of (await call('GET', `${base}/${name}`)).items)
          found[`${base}/${name}/${metadata.namespace ?? ''}/${metadata.name}`] = metadata.resourceVersion
      }
    }
    return found
  }

  it('changes nothing but leases', async () => {
    await eventually(async () => {
      const before = await versions()
      await sleep(5000)
      expect(await versions()).toEqual(before)
    }, 60)
    const before = await versions()
    await sleep(15_000)
    expect(await versions()).toEqual(before)
  }, 120_000)
})
