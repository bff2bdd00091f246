import { type Node, nodes, type Pod, pods, type ResourceDefinition, serviceAccounts } from '@binnacle/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
  const labels = {
    'kubernetes.io/os': 'linux',
    'topology.kubernetes.io/region': 'north',
    'topology.kubernetes.io/zone': 'north-1',
  }
  const status = { allocatable: { cpu: '2', memory: '1Gi' } }
  await test.create(nodes, { metadata: { name: 'placed', labels }, status })
  await test.create(nodes, { metadata: { name: 'windows', labels: { 'kubernetes.io/os': 'windows' } }, status })
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `plugins-${++count}`
  await test.createNamespace(namespace)
})

const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, namespace, ...metadata },
  spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
})
const podDefinition = pods as ResourceDefinition<any>
const key = (name: string) => ({ namespace, name })
const createPod = async (...given: Parameters<typeof pod>): Promise<Pod> =>
  (await test.create(pods, pod(...given))) as Pod
const bind = async (name: string, nodeName: string, metadata: object = {}): Promise<Pod> => {
  const body = { metadata: { name, namespace, ...metadata }, target: { kind: 'Node', name: nodeName } }
  await test.server.createSubresource(test.request, podDefinition, key(name), 'binding', body)
  return test.store.get({ resource: 'pods', ...key(name) })?.parse() as Pod
}

describe('a new node', () => {
  it('takes no pods until it is seen ready', async () => {
    const { spec } = (await test.create(nodes, { metadata: { name: 'fresh' } })) as Node
    expect(spec?.taints).toEqual([{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }])
  })

  it('keeps the taints that it comes with', async () => {
    const own = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule', value: 'mine' }
    const other = { key: 'dedicated', effect: 'NoSchedule' }
    const { spec } = (await test.create(nodes, { metadata: { name: 'own' }, spec: { taints: [other, own] } })) as Node
    expect(spec?.taints).toEqual([other, own])
  })
})

describe('a pod says where its node is', () => {
  const place = { 'topology.kubernetes.io/region': 'north', 'topology.kubernetes.io/zone': 'north-1' }

  it('once it is bound', async () => {
    await createPod('p', {}, { labels: { app: 'web' } })
    expect((await bind('p', 'placed')).metadata.labels).toEqual({ app: 'web', ...place })
  })

  it('once it is bound together with others', async () => {
    await createPod('p')
    const write = { verb: 'bind', pod: key('p'), nodeName: 'placed' } as const
    for (const atomic of [true, false]) {
      const name = `p-${atomic}`
      await createPod(name)
      const [result] = await test.server.writeAll(test.request, [{ ...write, pod: key(name) }], { atomic })
      expect(result).toMatchObject({ object: { metadata: { labels: place } } })
    }
  })

  it('but for what the binding says', async () => {
    await createPod('p')
    const labels = { 'topology.kubernetes.io/zone': 'elsewhere' }
    expect((await bind('p', 'placed', { labels })).metadata.labels).toEqual({ ...place, ...labels })
  })

  it('when it is made for one, but for what it says itself', async () => {
    expect((await createPod('p', { nodeName: 'placed' })).metadata.labels).toEqual(place)
    const labels = { 'topology.kubernetes.io/zone': 'mine' }
    expect((await createPod('q', { nodeName: 'placed' }, { labels })).metadata.labels).toEqual({ ...place, ...labels })
  })

  it('unless the node is not there', async () => {
    await createPod('p')
    expect((await bind('p', 'unknown')).metadata.labels).toBeUndefined()
  })
})

it('a pod that is bound has no node nominated for it any more', async () => {
  const { metadata } = await createPod('p')
  const body = { metadata, status: { nominatedNodeName: 'placed' } }
  await test.server.update(test.request, podDefinition, key('p'), { ...body, spec: {} }, { subresource: 'status' })
  expect((await bind('p', 'placed')).status).not.toHaveProperty('nominatedNodeName')
})

it('a pod is replaced by a manifest that names neither its priority nor its tolerations', async () => {
  const own = { automountServiceAccountToken: false, serviceAccountName: 'default' }
  const containers = (image: string) => [{ name: 'c', image, imagePullPolicy: 'Always' }]
  const { spec } = await createPod('p', { ...own, containers: containers('nginx') })
  const body = pod('p', { ...own, containers: containers('nginx:2') })
  const { object } = await test.server.update(test.request, podDefinition, key('p'), body)
  const { priority, preemptionPolicy, tolerations } = spec ?? {}
  expect(tolerations).toHaveLength(2)
  expect((object.parse() as Pod).spec).toMatchObject({ priority, preemptionPolicy, tolerations })
})

describe('a pod of the kubelet itself', () => {
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'abc' } }
  const secretVariable = { name: 'V', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }

  it('stays as it is', async () => {
    const { spec } = await createPod('p', { nodeName: 'placed' }, mirror)
    expect(spec?.serviceAccountName).toBeUndefined()
    expect(spec?.volumes).toBeUndefined()
  })

  it.each([
    [{ serviceAccountName: 'default' }, 'a mirror pod may not reference service accounts'],
    [{ imagePullSecrets: [{ name: 's' }] }, 'a mirror pod may not reference secrets'],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, 'a mirror pod may not reference secrets'],
    [{ containers: [{ name: 'c', image: 'i', env: [secretVariable] }] }, 'a mirror pod may not reference secrets'],
    [
      { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      'a mirror pod may not use ServiceAccountToken volume projections',
    ],
  ])('does not have %j', async (spec, why) => {
    const { message } = await refusal(createPod('p', { nodeName: 'placed', ...spec }, mirror))
    expect(message).toBe(`pods "p" is forbidden: ${why}`)
  })
})

describe('an account that limits its pods to its secrets', () => {
  const suffix = 'is not allowed because service account default does not reference that'
  const variable = (name: string) => ({ name: 'V', valueFrom: { secretKeyRef: { name, key: 'k' } } })
  const source = (name: string) => ({ secretRef: { name } })
  const container = (rest: object) => ({ name: 'c', image: 'i', ...rest })

  beforeEach(async () => {
    const body = {
      metadata: { annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
      secrets: [{ name: 'own' }],
      imagePullSecrets: [{ name: 'registry' }],
    }
    const definition = serviceAccounts as ResourceDefinition<any>
    await test.server.patch(test.request, definition, key('default'), { type: 'merge', body })
  })

  it('lets them have these', async () => {
    const spec = {
      containers: [container({ env: [variable('own')], envFrom: [source('own')] })],
      volumes: [{ name: 'v', secret: { secretName: 'own' } }],
    }
    expect((await createPod('p', spec)).spec?.imagePullSecrets).toEqual([{ name: 'registry' }])
  })

  it.each([
    [{ volumes: [{ name: 'v', secret: { secretName: 'x' } }] }, `volume with secret.secretName="x" ${suffix} secret`],
    [
      { initContainers: [{ ...container({ env: [variable('x')] }), name: 'i' }] },
      `init container i with envVar V referencing secret.secretName="x" ${suffix} secret`,
    ],
    [
      { containers: [container({ env: [variable('x')] })] },
      `container c with envVar V referencing secret.secretName="x" ${suffix} secret`,
    ],
    [
      { containers: [container({ envFrom: [source('x')] })] },
      `container c with envFrom referencing secret.secretName="x" ${suffix} secret`,
    ],
    [
      { imagePullSecrets: [{ name: 'registry' }, { name: 'x' }] },
      `imagePullSecrets[1].name="x" ${suffix} imagePullSecret`,
    ],
  ])('refuses %j', async (spec, why) => {
    expect((await refusal(createPod('p', spec))).message).toBe(`pods "p" is forbidden: ${why}`)
  })

  it('refuses containers that are added later, too', async () => {
    const made = await createPod('p')
    const ephemeralContainers = [{ ...container({ env: [variable('x')] }), name: 'debug' }]
    const body = { ...made, spec: { ...made.spec, ephemeralContainers } }
    const call = test.server.update(test.request, podDefinition, key('p'), body, { subresource: 'ephemeralcontainers' })
    expect((await refusal(call)).message).toBe(
      `pods "p" is forbidden: ephemeral container debug with envVar V referencing secret.secretName="x" ${suffix} secret`,
    )
  })
})

describe('a pod on a node', () => {
  const resources = (cpu: string, memory: string) => ({ requests: { cpu, memory } })
  const containers = (cpu: string, memory: string) => [{ name: 'c', image: 'i', resources: resources(cpu, memory) }]
  const resize = async (name: string, cpu: string, memory: string) => {
    const patch = {
      type: 'strategic',
      body: { spec: { containers: [{ name: 'c', resources: resources(cpu, memory) }] } },
    }
    return await test.server.patch(test.request, podDefinition, key(name), patch as never, { subresource: 'resize' })
  }

  it('is resized within what the node has', async () => {
    await createPod('p', { nodeName: 'placed', containers: containers('1', '1Mi') })
    expect((await resize('p', '1500m', '2Mi')).object.parse().spec.containers[0].resources.requests.cpu).toBe('1500m')
    expect(await refusal(resize('p', '2500m', '2Gi'))).toMatchObject({
      reason: 'Forbidden',
      message:
        'pods "p" is forbidden: Node didn\'t have enough allocatable resources: cpu, requested: 2500, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824',
      details: { causes: [{ reason: 'NodeCapacity' }] },
    })
  })

  it('is not resized where nodes cannot do it', async () => {
    await createPod('p', { nodeName: 'windows', containers: containers('1', '1Mi') })
    expect(await refusal(resize('p', '1500m', '1Mi'))).toMatchObject({
      message: 'pods "p" is forbidden: pod resize is only supported on linux nodes, node "windows" is "windows"',
      details: { causes: [{ reason: 'UnsupportedPlatform' }] },
    })
  })
})
