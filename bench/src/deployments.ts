import type { Product } from './product.ts'

/** What a Deployment of the benchmarks is told apart by. */
export interface DeploymentOptions {
  readonly name: string
  readonly namespace: string
  readonly replicas: number
}

/** A Deployment as most are, of one small container. */
export function deploymentOf({ name, namespace, replicas }: DeploymentOptions): object {
  const labels = { app: name }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'app',
              image: 'registry.example.com/app:v1',
              resources: { requests: { cpu: '50m', memory: '64Mi' } },
            },
          ],
        },
      },
    },
  }
}

/** How many pods of a namespace's Deployments are ready, by their status. */
export async function readyReplicasIn(product: Product, namespace: string): Promise<number> {
  const { items } = await product.call('GET', `/apis/apps/v1/namespaces/${namespace}/deployments`)
  return (items as { status?: { readyReplicas?: number } }[]).reduce(
    (sum, { status }) => sum + (status?.readyReplicas ?? 0),
    0,
  )
}
