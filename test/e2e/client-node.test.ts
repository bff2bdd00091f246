import path from 'node:path'
import * as k8s from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Product, eventually, startProduct } from '../fixtures/product.ts'

/** The JavaScript client of the Kubernetes project, unchanged: typed calls, watches, informers. */

let product: Product
let config: k8s.KubeConfig

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
  config = new k8s.KubeConfig()
  config.loadFromFile(path.join(product.dataDir, 'admin.kubeconfig'))
}, 240_000)
afterAll(() => product?.remove())

describe('@kubernetes/client-node', () => {
  it('creates, reads, replaces and deletes', async () => {
    const core = config.makeApiClient(k8s.CoreV1Api)
    const created = await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'settings' }, data: { colour: 'blue' } },
    })
    expect(created.metadata?.uid).toMatch(/^[0-9a-f-]{36}$/)
    const replaced = await core.replaceNamespacedConfigMap({
      namespace: 'default',
      name: 'settings',
      body: { ...created, data: { colour: 'green' } },
    })
    expect(Number(replaced.metadata?.resourceVersion)).toBeGreaterThan(Number(created.metadata?.resourceVersion))
    await expect(
      core.replaceNamespacedConfigMap({ namespace: 'default', name: 'settings', body: created }),
    ).rejects.toMatchObject({ code: 409 })
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'settings' })
    await expect(core.readNamespacedConfigMap({ namespace: 'default', name: 'settings' })).rejects.toMatchObject({
      code: 404,
    })
  })

  it('pages through a list as one snapshot', async () => {
    const core = config.makeApiClient(k8s.CoreV1Api)
    for (let i = 0; i < 7; i++)
      await core.createNamespacedConfigMap({
        namespace: 'default',
        body: { metadata: { name: `page-${i}`, labels: { paged: 'yes' } } },
      })
    const first = await core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'paged=yes', limit: 3 })
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'page-5' })
    const names = first.items.map((item) => item.metadata?.name)
    let next = first.metadata?._continue
    while (next) {
      const page = await core.listNamespacedConfigMap({
        namespace: 'default',
        labelSelector: 'paged=yes',
        limit: 3,
        _continue: next,
      })
      names.push(...page.items.map((item) => item.metadata?.name))
      next = page.metadata?._continue
    }
    expect(names).toEqual(['page-0', 'page-1', 'page-2', 'page-3', 'page-4', 'page-5', 'page-6'])
  })

  it('keeps an informer current while a Deployment scales', async () => {
    const core = config.makeApiClient(k8s.CoreV1Api)
    const apps = config.makeApiClient(k8s.AppsV1Api)
    const informer = k8s.makeInformer(
      config,
      '/api/v1/namespaces/default/pods',
      () => core.listNamespacedPod({ namespace: 'default', labelSelector: 'app=informed' }),
      'app=informed',
    )
    const phases = new Map<string, string | undefined>()
    const note = (pod: k8s.V1Pod) => void phases.set(pod.metadata?.name ?? '', pod.status?.phase)
    informer.on('add', note)
    informer.on('update', note)
    informer.on('delete', (pod) => void phases.delete(pod.metadata?.name ?? ''))
    await informer.start()
    const template = {
      metadata: { labels: { app: 'informed' } },
      spec: { containers: [{ name: 'c', image: 'busybox:1.36' }] },
    }
    await apps.createNamespacedDeployment({
      namespace: 'default',
      body: {
        metadata: { name: 'informed' },
        spec: { replicas: 5, selector: { matchLabels: { app: 'informed' } }, template },
      },
    })
    await eventually(() => expect([...phases.values()]).toEqual(Array(5).fill('Running')))
    await apps.deleteNamespacedDeployment({ namespace: 'default', name: 'informed' })
    await eventually(() => expect(phases.size).toBe(0))
    await informer.stop()
  })
})
