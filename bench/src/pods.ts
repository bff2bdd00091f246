import type { Product } from './product.ts'

const writesPerRequest = 400

/**
 * A pod of about 3.2 KB, as a typical Deployment makes them, behind a gate: no scheduler looks at it, and it stays. On a node that does not exist it would
 * be collected as an orphan within a minute.
 */
export function podOf(number: number): object {
  const name = `web-6d4b75cb6d-${String(number).padStart(6, '0')}`
  const container = (suffix: string): object => ({
    name: `app-${suffix}`,
    image: `registry.example.com/team/application-${suffix}:v1.24.${number % 50}`,
    command: ['/usr/local/bin/server', '--listen=:8080', '--log-level=info', `--shard=${number}`],
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    env: Array.from({ length: 6 }, (_, i) => ({ name: `SETTING_${i}`, value: `value-${number}-${i}` })),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '500m', memory: '512Mi' } },
    readinessProbe: {
      httpGet: { path: '/healthz', port: 8080, scheme: 'HTTP' },
      periodSeconds: 10,
      timeoutSeconds: 1,
      successThreshold: 1,
      failureThreshold: 3,
    },
    volumeMounts: [{ name: 'config', mountPath: '/etc/application' }],
  })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'bench',
      labels: { app: 'web', 'pod-template-hash': '6d4b75cb6d', tier: `tier-${number % 10}` },
      annotations: { 'example.com/checksum': `${number}`.padStart(64, '0'), 'example.com/owner': 'team-a' },
    },
    spec: {
      schedulingGates: [{ name: `example.com/gate-${number % 500}` }],
      containers: [container('main'), container('sidecar')],
      volumes: [{ name: 'config', configMap: { name: 'application-config' } }],
      tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'web', effect: 'NoSchedule' }],
    },
  }
}

/** Creates so many of them, in the namespace `bench`, with several writes per request. */
export async function createPods(product: Product, count: number, log: (text: string) => void): Promise<void> {
  await createNamespace(product, 'bench')
  const startedMs = performance.now()
  await createAll(product, 'pods', 'bench', count, podOf)
  log(`${count} pods created in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
}

/** Creates a namespace. */
export async function createNamespace(product: Product, name: string): Promise<void> {
  await product.call('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
}

/** Creates so many objects of a resource in a namespace, several in a request. @throws Error when one is refused */
export async function createAll(
  product: Product,
  resource: 'pods' | 'configmaps' | 'deployments',
  namespace: string,
  count: number,
  objectOf: (number: number) => object,
): Promise<void> {
  const group = resource === 'deployments' ? 'apps' : ''
  for (let first = 0; first < count; first += writesPerRequest) {
    const writes = Array.from({ length: Math.min(writesPerRequest, count - first) }, (_, i) => ({
      verb: 'create',
      group,
      version: 'v1',
      resource,
      namespace,
      object: objectOf(first + i),
    }))
    const { results } = await product.call<{ results: { status?: { message: string } }[] }>(
      'POST',
      '/apis/binnacle.dev/v1/writes',
      { atomic: false, writes },
    )
    const failed = results.find(({ status }) => status !== undefined)
    if (failed !== undefined) throw new Error(`one of the ${resource} could not be created: ${failed.status?.message}`)
  }
}
