import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Product, eventually, kubectlPath, startProduct } from '../fixtures/product.ts'

/** Usage that simulated nodes report reaches `kubectl top` and makes an autoscaler scale up, and down when it goes. */

let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '2', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: default }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata:
      labels: { app: web }
      annotations: { simulated.binnacle.dev/cpu-usage: 900m, simulated.binnacle.dev/memory-usage: 64Mi }
    spec:
      containers: [{ name: web, image: nginx, resources: { requests: { cpu: "1", memory: 128Mi } } }]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: web, namespace: default }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }
  minReplicas: 1
  maxReplicas: 3
  metrics: [{ type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 50 } } }]
  behavior: { scaleDown: { stabilizationWindowSeconds: 20 } }
`

const replicas = async (): Promise<number> =>
  Number(await product.kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}'))

describe.skipIf(kubectlPath === undefined)('usage of simulated pods', () => {
  it('is shown by kubectl top', async () => {
    const file = path.join(product.dataDir, 'autoscaling.yaml')
    writeFileSync(file, manifest)
    await product.kubectl('apply', '-f', file)
    await eventually(async () =>
      expect(await product.kubectl('top', 'pods', '-l', 'app=web', '--containers')).toMatch(
        /^POD\s+NAME\s+CPU\(cores\)\s+MEMORY\(bytes\)\s+web-\S+\s+web\s+900m\s+64Mi/,
      ),
    )
    expect(await product.kubectl('top', 'nodes')).toMatch(/sim-[01]\s+900m\s+2%\s+64Mi\s+0%/)
    expect(await product.kubectl('get', 'pods.metrics.k8s.io')).toMatch(/NAME\s+CPU\s+MEMORY\s+WINDOW\s+web-\S+\s+900m/)
  }, 90_000)

  it('scales the Deployment up', async () => {
    await eventually(async () => expect(await replicas()).toBe(3), 120)
    const described = await product.kubectl('describe', 'hpa', 'web')
    expect(described).toContain('reason: cpu resource utilization (percentage of request) above target')
  }, 150_000)

  it('scales it down once it is gone and the window is over', async () => {
    const pods = await product.kubectl('get', 'pods', '-l', 'app=web', '-o', 'name')
    const names = pods.trim().split('\n')
    await product.kubectl('annotate', '--overwrite', ...names, 'simulated.binnacle.dev/cpu-usage=100m')
    await eventually(async () => expect(await replicas()).toBe(1), 150)
    expect(await product.kubectl('describe', 'hpa', 'web')).toContain('reason: All metrics below target')
  }, 180_000)
})
