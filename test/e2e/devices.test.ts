import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, kubectlPath, type Product, startProduct } from '../fixtures/product.ts'

/** Devices from the nodes' offer to pods that run with them, and back: resource claims, classes chosen by expressions, templates. */

const driver = 'devices.simulated.binnacle.dev'
let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '2', '--simulated-devices', '2', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

async function apply(...items: object[]): Promise<void> {
  const file = path.join(product.dataDir, 'devices.json')
  writeFileSync(file, items.map((item) => JSON.stringify(item)).join('\n'))
  await product.kubectl('apply', '-f', file)
}

const get = async (...what: string[]): Promise<any> => JSON.parse(await product.kubectl('get', ...what, '-o', 'json'))

const deviceClass = (name: string, expression: string) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'DeviceClass',
  metadata: { name },
  spec: { selectors: [{ cel: { expression } }] },
})

/** What asks for one device of a class. */
const oneOf = (deviceClassName: string, rest: object = {}) => ({
  devices: { requests: [{ name: 'device', exactly: { deviceClassName, ...rest } }] },
})

const template = (name: string, spec: object) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaimTemplate',
  metadata: { name },
  spec: { spec },
})

const claim = (name: string, spec: object) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { name },
  spec,
})

const podWith = (name: string, source: object, annotations: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, annotations },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    resourceClaims: [{ name: 'accelerator', ...source }],
    containers: [{ name: 'app', image: 'app:1', resources: { claims: [{ name: 'accelerator' }] } }],
  },
})

const running = (...names: string[]): Promise<string> =>
  product.kubectl('wait', '--for=jsonpath={.status.phase}=Running', '--timeout=60s', ...names.map((n) => `pod/${n}`))

/** The claim that a pod has, its own or one that is shared. */
async function claimOf(podName: string): Promise<any> {
  const { status } = await get('pod', podName)
  return await get('resourceclaim', status.resourceClaimStatuses[0].resourceClaimName)
}

const devicesOf = ({ status }: any): string[] =>
  (status?.allocation?.devices.results ?? []).map(({ pool, device }: any) => `${pool}/${device}`)

describe.skipIf(kubectlPath === undefined)('devices of simulated nodes', () => {
  beforeAll(() =>
    apply(
      deviceClass('any', `device.driver == "${driver}"`),
      deviceClass(
        'large',
        `device.driver == "${driver}" && device.capacity["${driver}"].memory.compareTo(quantity("40Gi")) >= 0`,
      ),
      template('large', oneOf('large')),
    ),
  )

  it('are published by their nodes', async () => {
    const { items } = await get('resourceslices', '--sort-by=.spec.nodeName')
    const seen = items.map(({ spec }: any) => [spec.nodeName, spec.driver, spec.devices.map((d: any) => d.name)])
    expect(seen).toEqual(['sim-0', 'sim-1'].map((node) => [node, driver, ['device-0', 'device-1']]))
    expect(await product.kubectl('get', 'resourceslices')).toMatch(/NODE\s+DRIVER\s+POOL/)
  }, 90_000)

  it('are allocated to the claims made for pods, each pod one that its class selects', async () => {
    await apply(...['train-1', 'train-2'].map((name) => podWith(name, { resourceClaimTemplateName: 'large' })))
    await running('train-1', 'train-2')
    const claims = [await claimOf('train-1'), await claimOf('train-2')]
    expect(claims.flatMap(devicesOf).toSorted()).toEqual(['sim-0/device-1', 'sim-1/device-1'])
    for (const [i, name] of ['train-1', 'train-2'].entries()) {
      const { metadata, spec } = await get('pod', name)
      expect(devicesOf(claims[i])).toEqual([`${spec.nodeName}/device-1`])
      expect(claims[i].metadata.ownerReferences).toMatchObject([
        { kind: 'Pod', name, uid: metadata.uid, controller: true },
      ])
      expect(claims[i].status.reservedFor).toEqual([{ resource: 'pods', name, uid: metadata.uid }])
    }
    expect(await product.kubectl('get', 'resourceclaims')).toMatch(/train-1-accelerator-\S+\s+allocated,reserved/)
  }, 90_000)

  it('are told of by GraphQL', async () => {
    const { metadata } = await claimOf('train-1')
    const query = `query ($name: String!) { resourceClaim(namespace: "default", name: $name) {
      status { reservedFor { name } allocation { devices { results { driver pool device } } } } } }`
    const { resourceClaim } = await product.graphql(query, { name: metadata.name })
    const { nodeName } = (await get('pod', 'train-1')).spec
    expect(resourceClaim.status).toEqual({
      reservedFor: [{ name: 'train-1' }],
      allocation: { devices: { results: [{ driver, pool: nodeName, device: 'device-1' }] } },
    })
  }, 90_000)

  it('are waited for when all are taken, and had when a pod has come to its end', async () => {
    const short = { 'simulated.binnacle.dev/run-seconds': '1' }
    await apply(podWith('next', { resourceClaimTemplateName: 'large' }, short))
    await eventually(async () => {
      const { status } = await get('pod', 'next')
      expect(status.conditions.find((c: any) => c.type === 'PodScheduled')).toMatchObject({
        reason: 'Unschedulable',
        message:
          '0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.',
      })
    })
    const { metadata } = await claimOf('train-1')
    await product.kubectl('delete', 'pod', 'train-1')
    await product.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/next', '--timeout=60s')
    // The claim that was made for a pod goes with it, or when its work is done.
    await eventually(async () => {
      const { items } = await get('resourceclaims')
      expect(items.map((c: any) => c.metadata.ownerReferences[0].name)).toEqual(['train-2'])
    })
    await expect(get('resourceclaim', metadata.name)).rejects.toThrow('not found')
    await apply(podWith('after', { resourceClaimTemplateName: 'large' }))
    await running('after')
  }, 120_000)

  it('are shared by pods with one claim, which stays and is free when none of them is left', async () => {
    const selectors = [{ cel: { expression: `device.attributes["${driver}"].model == "small"` } }]
    await apply(
      claim('shared', oneOf('any', { selectors })),
      podWith('user-1', { resourceClaimName: 'shared' }),
      podWith('user-2', { resourceClaimName: 'shared' }),
    )
    await running('user-1', 'user-2')
    const nodes = [(await get('pod', 'user-1')).spec.nodeName, (await get('pod', 'user-2')).spec.nodeName]
    const shared = await get('resourceclaim', 'shared')
    expect([nodes[1], devicesOf(shared)]).toEqual([nodes[0], [`${nodes[0]}/device-0`]])
    expect(shared.status.reservedFor.map((consumer: any) => consumer.name).toSorted()).toEqual(['user-1', 'user-2'])
    await product.kubectl('delete', 'pod', 'user-1', 'user-2')
    await eventually(async () => {
      const { metadata, status } = await get('resourceclaim', 'shared')
      expect([status?.reservedFor ?? [], status?.allocation, metadata.finalizers ?? []]).toEqual([[], undefined, []])
    })
    expect(await product.kubectl('get', 'resourceclaim', 'shared')).toMatch(/shared\s+pending/)
  }, 120_000)

  it('are not waited for where none can ever be had: the claim is missing, or its class', async () => {
    await apply(podWith('claimless', { resourceClaimName: 'missing' }))
    await apply(claim('classless', oneOf('unknown')), podWith('classless', { resourceClaimName: 'classless' }))
    await eventually(async () => {
      const conditions = await Promise.all(
        ['claimless', 'classless'].map(async (name) => (await get('pod', name)).status.conditions?.[0]),
      )
      expect(conditions.map((c) => c?.message)).toEqual([
        undefined,
        '0/2 nodes are available: request device: device class unknown does not exist. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
      ])
    })
    await apply(claim('missing', oneOf('any')), deviceClass('unknown', `device.driver == "${driver}"`))
    await running('claimless', 'classless')
  }, 120_000)
})
