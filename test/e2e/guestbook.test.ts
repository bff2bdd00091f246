import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Product, eventually, kubectlPath, startProduct } from '../fixtures/product.ts'

/** The main job: apply a manifest, watch it converge, change it, query it by GraphQL, delete it. */

let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '10', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

const walk = /* GraphQL */ `
  query Walk {
    deployment(namespace: "guestbook", name: "frontend") {
      metadata {
        name
      }
      status {
        readyReplicas
      }
      replicaSets {
        nodes {
          metadata {
            name
          }
          pods {
            nodes {
              metadata {
                name
              }
              status {
                phase
                podIP
              }
              node {
                metadata {
                  name
                }
                status {
                  nodeInfo {
                    containerRuntimeVersion
                  }
                }
              }
            }
          }
        }
      }
    }
  }
`

describe.skipIf(kubectlPath === undefined)('the guestbook with kubectl', () => {
  it('is applied and becomes ready', async () => {
    const applied = await product.kubectl('apply', '-f', 'examples/guestbook.yaml')
    expect(applied.trim().split('\n')).toEqual([
      'namespace/guestbook created',
      'configmap/frontend-config created',
      'secret/redis-password created',
      'deployment.apps/redis created',
      'service/redis created',
      'deployment.apps/frontend created',
      'service/frontend created',
    ])
    const status = await product.kubectl('rollout', 'status', 'deploy/frontend', '-n', 'guestbook', '--timeout=60s')
    expect(status).toContain('deployment "frontend" successfully rolled out')
  })

  it('changes nothing when applied again', async () => {
    const versions = () =>
      product.kubectl(
        ...['get', 'ns/guestbook', 'cm/frontend-config', 'secret/redis-password', 'svc/redis', 'svc/frontend'],
        ...['-n', 'guestbook', '-o', 'jsonpath={.items[*].metadata.resourceVersion}'],
      )
    const before = await versions()
    const applied = await product.kubectl('apply', '-f', 'examples/guestbook.yaml')
    // kubectl cannot see that stringData has gone into data, and says so of every Secret that is written with it.
    expect(
      applied
        .trim()
        .split('\n')
        .filter((line) => !line.endsWith('unchanged')),
    ).toEqual(['secret/redis-password configured'])
    expect(await versions()).toBe(before)
  })

  it('is listed as kubectl users expect', async () => {
    const wide = await product.kubectl('get', 'deploy,rs,po,svc,ep', '-n', 'guestbook', '-o', 'wide')
    expect(wide).toMatch(/deployment\.apps\/frontend\s+3\/3\s+3\s+3\s+\S+\s+web\s+nginx:1\.27\s+app=frontend/)
    expect(wide).toMatch(/replicaset\.apps\/frontend-\S+\s+3\s+3\s+3\s+/)
    expect(wide).toMatch(/pod\/frontend-\S+\s+1\/1\s+Running\s+0\s+\S+\s+10\.\S+\s+sim-/)
    expect(wide).toMatch(/service\/frontend\s+ClusterIP\s+10\.96\.\d+\.\d+\s+<none>\s+80\/TCP\s+\S+\s+app=frontend/)
    expect(wide).toMatch(/endpoints\/frontend\s+10\.[\d.]+:80,10\.[\d.]+:80,10\.[\d.]+:80/)
  })

  it('has an EndpointSlice for each Service', async () => {
    const slices = JSON.parse(
      await product.kubectl(
        'get',
        'endpointslices',
        '-n',
        'guestbook',
        '-l',
        'kubernetes.io/service-name=frontend',
        '-o',
        'json',
      ),
    )
    expect(slices.items.flatMap((slice: any) => slice.endpoints)).toHaveLength(3)
    expect(slices.items[0].ports).toEqual([{ name: 'http', port: 80, protocol: 'TCP' }])
  })

  it('is walked from deployment to nodes in one GraphQL request', async () => {
    const { deployment } = await product.graphql(walk)
    expect(deployment.status.readyReplicas).toBe(3)
    const pods = deployment.replicaSets.nodes.flatMap((set: any) => set.pods.nodes)
    expect(pods).toHaveLength(3)
    expect(
      pods.every(
        (pod: any) =>
          pod.status.phase === 'Running' && pod.node.status.nodeInfo.containerRuntimeVersion.startsWith('simulated://'),
      ),
    ).toBe(true)
  })

  it('scales by kubectl', async () => {
    await product.kubectl('scale', 'deploy/frontend', '--replicas=50', '-n', 'guestbook')
    const status = await product.kubectl('rollout', 'status', 'deploy/frontend', '-n', 'guestbook', '--timeout=90s')
    expect(status).toContain('successfully rolled out')
  })

  it('scales by a GraphQL mutation, and a subscription delivers each change', async () => {
    const client = product.graphqlWs()
    const seen = new Map<string, string>()
    const { promise: live, resolve: isLive } = Promise.withResolvers<void>()
    const query =
      'subscription { podEvents(namespace: "guestbook", labelSelector: "app=frontend") { resourceVersion events { type object { metadata { name } } } } }'
    const stop = client.subscribe<any>(
      { query },
      {
        next({ data }) {
          for (const event of data.podEvents.events) {
            if (event.type === 'INITIAL_END') isLive()
            else if (event.type === 'DELETED') seen.delete(event.object.metadata.name)
            else if (event.type !== 'BOOKMARK') seen.set(event.object.metadata.name, event.type)
          }
        },
        error: () => undefined,
        complete: () => undefined,
      },
    )
    await live
    expect(seen.size).toBe(50)
    const { scaleDeployment } = await product.graphql(
      'mutation { scaleDeployment(namespace: "guestbook", name: "frontend", replicas: 4) { resourceVersion error { reason message } } }',
    )
    expect(scaleDeployment.error).toBeNull()
    await eventually(() => expect(seen.size).toBe(4))
    stop()
    await client.dispose()
  })

  it('rolls a new image out and back', async () => {
    await product.kubectl('set', 'image', 'deploy/frontend', 'web=nginx:1.28', '-n', 'guestbook')
    await product.kubectl('rollout', 'status', 'deploy/frontend', '-n', 'guestbook', '--timeout=90s')
    const image = [
      'get',
      'deploy',
      'frontend',
      '-n',
      'guestbook',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].image}',
    ]
    expect(await product.kubectl(...image)).toBe('nginx:1.28')
    const history = await product.kubectl('rollout', 'history', 'deploy/frontend', '-n', 'guestbook')
    expect(history).toMatch(/1\s+<none>\n2\s+<none>/)
    expect(await product.kubectl('rollout', 'undo', 'deploy/frontend', '-n', 'guestbook')).toContain('rolled back')
    await product.kubectl('rollout', 'status', 'deploy/frontend', '-n', 'guestbook', '--timeout=90s')
    expect(await product.kubectl(...image)).toBe('nginx:1.27')
  })

  it('answers describe with events and conditions', async () => {
    const described = await product.kubectl('describe', 'deploy', 'frontend', '-n', 'guestbook')
    expect(described).toContain('NewReplicaSetAvailable')
    expect(described).toMatch(/ScalingReplicaSet/)
  })

  it('is deleted with everything in it', async () => {
    await product.kubectl('delete', '-f', 'examples/guestbook.yaml', '--timeout=90s')
    await expect(product.kubectl('get', 'namespace', 'guestbook')).rejects.toThrow('namespaces "guestbook" not found')
    const left = await product.kubectl(
      'get',
      'pods,rs,deploy,svc,ep,endpointslices,cm,secrets,sa',
      '-n',
      'guestbook',
      '--ignore-not-found',
    )
    expect(left.trim()).toBe('')
  })
})
