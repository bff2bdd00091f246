import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { examplePod, startTestApi, type TestApi } from './graphql-testing.ts'

/** Reading: one object, lists and their pages, and the edges from object to object. */

let api: TestApi

beforeAll(async () => {
  api = await startTestApi()
  for (const name of ['shop', 'pages', 'other']) await api.createNamespace(name)
})
afterAll(async () => await api?.stop())

const create = async (target: string, object: object): Promise<any> => {
  const answer = await api.rest('POST', target, object)
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.body
}

const configMap = (name: string, labels: Record<string, string> = {}): object => ({
  metadata: { name, labels },
  data: { name },
})

describe('one object', () => {
  it('is found by its name, with all that is stored, as text and number and map', async () => {
    const stored = await create(
      '/api/v1/namespaces/shop/pods',
      examplePod(
        'typed',
        { labels: { 'app.kubernetes.io/name': 'typed' }, annotations: { note: 'x' } },
        {
          terminationGracePeriodSeconds: 7,
          containers: [
            {
              name: 'main',
              image: 'example/web:1',
              resources: { requests: { cpu: '250m' } },
              readinessProbe: { httpGet: { port: 'http', path: '/' } },
              ports: [{ name: 'http', containerPort: 80 }],
            },
          ],
        },
      ),
    )
    const { pod } = await api.data(`{
      pod(namespace: "shop", name: "typed") {
        id apiVersion kind _json
        metadata {
          uid creationTimestamp resourceVersion labels generation
          label(key: "app.kubernetes.io/name") none: label(key: "none") annotation(key: "note")
        }
        spec {
          terminationGracePeriodSeconds
          containers { name resources { requests } readinessProbe { httpGet { port } } ports { containerPort } }
        }
        status { phase }
      }
    }`)
    expect(pod._json).toEqual(stored)
    expect(pod.metadata).toEqual({
      uid: stored.metadata.uid,
      creationTimestamp: stored.metadata.creationTimestamp,
      resourceVersion: stored.metadata.resourceVersion,
      generation: stored.metadata.generation,
      labels: { 'app.kubernetes.io/name': 'typed' },
      label: 'typed',
      none: null,
      annotation: 'x',
    })
    expect(pod.spec.terminationGracePeriodSeconds).toBe(7)
    expect(pod.spec.containers[0]).toEqual({
      name: 'main',
      resources: { requests: { cpu: '250m' } },
      readinessProbe: { httpGet: { port: 'http' } },
      ports: [{ containerPort: 80 }],
    })
    expect(pod.status.phase).toBe('Pending')
  })

  it('is null when there is none, and its neighbours are not touched by that', async () => {
    const data = await api.data(`{
      missing: pod(namespace: "shop", name: "nope") { id }
      namespace(name: "shop") { metadata { name } }
    }`)
    expect(data).toEqual({ missing: null, namespace: { metadata: { name: 'shop' } } })
  })

  it('is found again by its id, until it is gone', async () => {
    await create('/api/v1/namespaces/shop/configmaps', configMap('known'))
    const { configMap: found } = await api.data('{ configMap(namespace: "shop", name: "known") { id } }')
    const query =
      'query($id: ID!) { objectById(id: $id) { __typename id metadata { name } ... on ConfigMap { data } } }'
    expect((await api.data(query, { id: found.id })).objectById).toEqual({
      __typename: 'ConfigMap',
      id: found.id,
      metadata: { name: 'known' },
      data: { name: 'known' },
    })
    await api.rest('DELETE', '/api/v1/namespaces/shop/configmaps/known')
    expect((await api.data(query, { id: found.id })).objectById).toBeNull()
    const wrong = await api.post(query, { id: 'bm9uc2Vuc2U' })
    expect(wrong.body.errors[0].extensions.code).toBe('BadRequest')
  })

  it('is found by its resource too', async () => {
    const query = `query($resource: ResourceRef!, $namespace: String, $name: String!) {
      object(resource: $resource, namespace: $namespace, name: $name) { kind metadata { name } _json }
    }`
    const pods = { version: 'v1', plural: 'pods' }
    const { object } = await api.data(query, { resource: pods, namespace: 'shop', name: 'typed' })
    expect(object).toMatchObject({ kind: 'Pod', metadata: { name: 'typed' }, _json: { spec: {} } })
    const namespaces = { version: 'v1', plural: 'namespaces' }
    expect((await api.data(query, { resource: namespaces, name: 'shop' })).object.kind).toBe('Namespace')
    const codes = await Promise.all(
      [
        { resource: pods, name: 'typed' },
        { resource: { version: 'v1', plural: 'nothings' }, name: 'x' },
        { resource: { group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews' }, name: 'x' },
      ].map(async (variables) => (await api.post(query, variables)).body.errors[0].extensions.code),
    )
    expect(codes).toEqual(['BadRequest', 'NotFound', 'NotFound'])
  })

  it('has a type of its own in each version of its group', async () => {
    await create('/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers', {
      metadata: { name: 'web' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        maxReplicas: 3,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } },
        ],
      },
    })
    const data = await api.data(`{
      v2: horizontalPodAutoscaler(namespace: "shop", name: "web") { apiVersion spec { metrics { type } } }
      v1: horizontalPodAutoscaler_autoscaling_v1(namespace: "shop", name: "web") {
        apiVersion spec { targetCPUUtilizationPercentage } _json
      }
    }`)
    expect(data.v2).toEqual({ apiVersion: 'autoscaling/v2', spec: { metrics: [{ type: 'Resource' }] } })
    expect(data.v1).toMatchObject({ apiVersion: 'autoscaling/v1', spec: { targetCPUUtilizationPercentage: 60 } })
    const rest = await api.rest('GET', '/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers/web')
    expect(data.v1._json).toEqual(rest.body)
  })
})

describe('lists', () => {
  beforeAll(async () => {
    for (let i = 0; i < 7; i++)
      await create(
        '/api/v1/namespaces/pages/configmaps',
        configMap(`page-${i}`, { parity: i % 2 === 0 ? 'even' : 'odd' }),
      )
    await create('/api/v1/namespaces/other/configmaps', configMap('elsewhere', { parity: 'even' }))
  })

  const page = `query($first: Int, $after: String, $namespace: String, $labels: String, $fields: String) {
    configMaps(namespace: $namespace, first: $first, after: $after, labelSelector: $labels, fieldSelector: $fields) {
      nodes { metadata { name namespace } }
      edges { cursor node { metadata { name } } }
      pageInfo { hasNextPage endCursor }
      totalCount resourceVersion
    }
  }`
  const read = async (variables: Record<string, unknown>): Promise<any> => (await api.data(page, variables)).configMaps
  const names = (list: any): string[] => list.nodes.map((node: any) => node.metadata.name)

  it('are ordered by namespace and name, and hold everything without a namespace', async () => {
    const list = await read({ labels: 'parity' })
    expect(list.nodes.map(({ metadata }: any) => `${metadata.namespace}/${metadata.name}`)).toEqual([
      'other/elsewhere',
      ...[0, 1, 2, 3, 4, 5, 6].map((i) => `pages/page-${i}`),
    ])
    expect(list.pageInfo.hasNextPage).toBe(false)
    expect(list.totalCount).toBe(8)
  })

  it('are cut into pages of one snapshot: what changes meanwhile does not show', async () => {
    const first = await read({ namespace: 'pages', first: 3 })
    expect(names(first)).toEqual(['page-0', 'page-1', 'page-2'])
    expect([first.pageInfo.hasNextPage, first.totalCount]).toEqual([true, 7])
    await api.rest('DELETE', '/api/v1/namespaces/pages/configmaps/page-5')
    await create('/api/v1/namespaces/pages/configmaps', configMap('page-3a'))
    const second = await read({ namespace: 'pages', first: 3, after: first.pageInfo.endCursor })
    const third = await read({ namespace: 'pages', first: 3, after: second.pageInfo.endCursor })
    expect([names(second), names(third)]).toEqual([['page-3', 'page-4', 'page-5'], ['page-6']])
    for (const later of [second, third])
      expect([later.totalCount, later.resourceVersion]).toEqual([7, first.resourceVersion])
    expect(third.pageInfo.hasNextPage).toBe(false)
    await api.rest('DELETE', '/api/v1/namespaces/pages/configmaps/page-3a')
    await create('/api/v1/namespaces/pages/configmaps', configMap('page-5', { parity: 'odd' }))
  })

  it('go on behind any edge', async () => {
    const first = await read({ namespace: 'pages', first: 3 })
    const rest = await read({ namespace: 'pages', after: first.edges[0].cursor })
    expect(names(rest)[0]).toBe('page-1')
    expect(first.edges.at(-1).cursor).toBe(first.pageInfo.endCursor)
    expect(first.edges.map((edge: any) => edge.node.metadata.name)).toEqual(names(first))
  })

  it('have cursors that are the continue tokens of REST, both ways', async () => {
    const target = '/api/v1/namespaces/pages/configmaps?limit=3'
    const first = await read({ namespace: 'pages', first: 3 })
    const rest = (await api.rest('GET', target)).body
    expect(rest.metadata.continue).toBe(first.pageInfo.endCursor)
    expect(rest.metadata.resourceVersion).toBe(first.resourceVersion)
    const viaRest = (await api.rest('GET', `${target}&continue=${first.pageInfo.endCursor}`)).body
    const viaGraphql = await read({ namespace: 'pages', first: 3, after: rest.metadata.continue })
    expect(viaRest.items.map((item: any) => item.metadata.name)).toEqual(names(viaGraphql))
    expect(viaRest.metadata.continue).toBe(viaGraphql.pageInfo.endCursor)
  })

  it('are narrowed by selectors, also on later pages and in their count', async () => {
    const first = await read({ namespace: 'pages', labels: 'parity=even', first: 2 })
    expect([names(first), first.totalCount]).toEqual([['page-0', 'page-2'], 4])
    const second = await read({ namespace: 'pages', labels: 'parity=even', first: 2, after: first.pageInfo.endCursor })
    expect([names(second), second.totalCount]).toEqual([['page-4', 'page-6'], 4])
    expect(second.pageInfo.hasNextPage).toBe(false)
    expect(
      names(await read({ labels: 'parity in (even),parity!=odd', fields: 'metadata.name!=elsewhere', first: 1 })),
    ).toEqual(['page-0'])
    expect(names(await read({ fields: 'metadata.name=elsewhere' }))).toEqual(['elsewhere'])
  })

  it('refuse bad selectors, bad cursors and pages that are too small or large', async () => {
    const refused = async (variables: Record<string, unknown>): Promise<string> => {
      const { body } = await api.post(page, variables)
      return body.errors?.[0]?.extensions?.code
    }
    expect(await refused({ labels: 'a in' })).toBe('BadRequest')
    expect(await refused({ fields: 'spec.nope=1' })).toBe('BadRequest')
    expect(await refused({ after: 'nonsense' })).toBe('BadRequest')
    for (const first of [0, -1, 501]) expect([first, await refused({ first })]).toEqual([first, 'BadRequest'])
    expect((await read({ namespace: 'pages', first: 500 })).nodes).toHaveLength(7)
    expect((await read({ namespace: 'pages', first: null })).nodes).toHaveLength(7)
  })

  it('of a snapshot that is gone say EXPIRED, and how to go on without it', async () => {
    const first = await read({ namespace: 'pages', first: 3 })
    await api.forgetHistory()
    const { body } = await api.post(page, { namespace: 'pages', first: 3, after: first.pageInfo.endCursor })
    const { extensions } = body.errors[0]
    expect(extensions).toMatchObject({ code: 'EXPIRED', status: { code: 410 }, continue: expect.any(String) })
    const next = await read({ namespace: 'pages', first: 500, after: extensions.continue })
    expect(names(next)).toEqual(['page-3', 'page-4', 'page-5', 'page-6'])
  })

  it('are there by resource too', async () => {
    const { objects } = await api.data(`{
      objects(resource: {version: "v1", plural: "configmaps"}, namespace: "pages", first: 2) {
        totalCount pageInfo { hasNextPage }
        nodes { __typename metadata { name } ... on ConfigMap { data } }
      }
    }`)
    expect(objects).toMatchObject({ totalCount: 7, pageInfo: { hasNextPage: true } })
    expect(objects.nodes[1]).toEqual({
      __typename: 'ConfigMap',
      metadata: { name: 'page-1' },
      data: { name: 'page-1' },
    })
  })

  it('of resources say what there is', async () => {
    const { resources } = await api.data(
      '{ resources { group version kind plural singular shortNames categories namespaced verbs columns { name type priority } } }',
    )
    const deployments = resources.find((resource: any) => resource.plural === 'deployments')
    expect(deployments).toMatchObject({
      group: 'apps',
      version: 'v1',
      kind: 'Deployment',
      singular: 'deployment',
      shortNames: ['deploy'],
      categories: ['all'],
      namespaced: true,
      verbs: expect.arrayContaining(['list', 'watch']),
    })
    expect(deployments.columns.map(({ name }: any) => name)).toEqual(expect.arrayContaining(['Name', 'Ready', 'Age']))
    expect(resources.some((resource: any) => resource.plural === 'tokenreviews')).toBe(false)
  })
})

const reference = (kind: string, owner: any): object => ({
  apiVersion: 'apps/v1',
  kind,
  name: owner.metadata.name,
  uid: owner.metadata.uid,
  controller: true,
})

async function createShop(): Promise<any> {
  const labels = { app: 'web' }
  const template = { metadata: { labels }, spec: examplePod('x').spec }
  const workload = { metadata: { name: 'web' }, spec: { replicas: 2, selector: { matchLabels: labels }, template } }
  const deployment = await create('/apis/apps/v1/namespaces/shop/deployments', workload)
  const replicaSet = await create('/apis/apps/v1/namespaces/shop/replicasets', {
    ...workload,
    metadata: { name: 'web-1', labels, ownerReferences: [reference('Deployment', deployment)] },
  })
  await create('/api/v1/nodes', { metadata: { name: 'node-a' } })
  for (const name of ['one', 'two']) await create('/api/v1/namespaces/shop/configmaps', configMap(name))
  const volumes = ['two', 'one', 'missing'].map((name) => ({ name, configMap: { name } }))
  const owned = { labels, ownerReferences: [reference('ReplicaSet', replicaSet)] }
  const pod = await create(
    '/api/v1/namespaces/shop/pods',
    examplePod('web-1-a', owned, { nodeName: 'node-a', volumes }),
  )
  await create('/api/v1/namespaces/shop/pods', examplePod('web-1-b', owned))
  await create('/api/v1/namespaces/shop/pods', examplePod('stranger', { labels: { app: 'else' } }))
  // The same labels in another namespace belong to another application.
  await create('/api/v1/namespaces/other/pods', examplePod('web-other', { labels }))
  const ports = [{ port: 80 }]
  for (const [name, selector] of Object.entries({ web: labels, all: undefined, none: { app: 'none' } }))
    await create('/api/v1/namespaces/shop/services', {
      metadata: { name },
      spec: selector === undefined ? { ports } : { ports, selector },
    })
  await create('/api/v1/namespaces/shop/events', {
    metadata: { name: 'web-1-a.1' },
    involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web-1-a', uid: pod.metadata.uid, apiVersion: 'v1' },
    reason: 'Scheduled',
    message: 'Placed.',
    type: 'Normal',
  })
  return { deployment, replicaSet, pod }
}

describe('edges', () => {
  let shop: any
  beforeAll(async () => {
    shop = await createShop()
  })

  it('lead from a Deployment down to the nodes of its pods', async () => {
    const { deployment } = await api.data(`{
      deployment(namespace: "shop", name: "web") {
        replicaSets { totalCount nodes {
          metadata { name }
          deployment { metadata { name } }
          pods { totalCount nodes { metadata { name } node { metadata { name } pods { totalCount } } } }
        } }
        pods { nodes { metadata { name } } }
      }
    }`)
    expect(deployment).toEqual({
      replicaSets: {
        totalCount: 1,
        nodes: [
          {
            metadata: { name: 'web-1' },
            deployment: { metadata: { name: 'web' } },
            pods: {
              totalCount: 2,
              nodes: [
                { metadata: { name: 'web-1-a' }, node: { metadata: { name: 'node-a' }, pods: { totalCount: 1 } } },
                { metadata: { name: 'web-1-b' }, node: null },
              ],
            },
          },
        ],
      },
      pods: { nodes: [{ metadata: { name: 'web-1-a' } }, { metadata: { name: 'web-1-b' } }] },
    })
  })

  it('lead from pods to their services and back, within one namespace', async () => {
    const data = await api.data(`{
      pod(namespace: "shop", name: "web-1-a") { services { nodes { metadata { name } } } }
      stranger: pod(namespace: "shop", name: "stranger") { services { totalCount } }
      web: service(namespace: "shop", name: "web") { pods { nodes { metadata { name namespace } } } }
      all: service(namespace: "shop", name: "all") { pods { totalCount } }
      none: service(namespace: "shop", name: "none") { pods { totalCount } }
    }`)
    expect(data).toEqual({
      pod: { services: { nodes: [{ metadata: { name: 'web' } }] } },
      stranger: { services: { totalCount: 0 } },
      web: {
        pods: {
          nodes: [
            { metadata: { name: 'web-1-a', namespace: 'shop' } },
            { metadata: { name: 'web-1-b', namespace: 'shop' } },
          ],
        },
      },
      all: { pods: { totalCount: 0 } },
      none: { pods: { totalCount: 0 } },
    })
  })

  it('by names in a list lead to every one that exists, in order', async () => {
    const { pod } = await api.data(`{
      pod(namespace: "shop", name: "web-1-a") {
        configMaps { nodes { metadata { name } } totalCount }
        secrets { totalCount }
        serviceAccount { metadata { name } }
      }
    }`)
    expect(pod).toEqual({
      configMaps: { nodes: [{ metadata: { name: 'one' } }, { metadata: { name: 'two' } }], totalCount: 2 },
      secrets: { totalCount: 0 },
      serviceAccount: { metadata: { name: 'default' } },
    })
  })

  it('lead to owners and children of any kind, and to events', async () => {
    const data = await api.data(`{
      pod(namespace: "shop", name: "web-1-a") {
        owner { __typename metadata { name } owner { __typename metadata { name } owner { id } } }
        owners { ... on ReplicaSet { spec { replicas } } }
        children { id }
        events { totalCount nodes { reason message type } }
      }
      replicaSet(namespace: "shop", name: "web-1") {
        events { totalCount }
        children { __typename metadata { name } }
        pods: children(kinds: ["Pod"], first: 1) { metadata { name } }
        jobs: children(kinds: ["Job"]) { id }
      }
    }`)
    expect(data.pod).toEqual({
      owner: {
        __typename: 'ReplicaSet',
        metadata: { name: 'web-1' },
        owner: { __typename: 'Deployment', metadata: { name: 'web' }, owner: null },
      },
      owners: [{ spec: { replicas: 2 } }],
      children: [],
      events: { totalCount: 1, nodes: [{ reason: 'Scheduled', message: 'Placed.', type: 'Normal' }] },
    })
    expect(data.replicaSet.events).toEqual({ totalCount: 0 })
    expect(data.replicaSet.children.map((child: any) => child.metadata.name).toSorted()).toEqual(['web-1-a', 'web-1-b'])
    expect(data.replicaSet.pods).toHaveLength(1)
    expect(data.replicaSet.jobs).toEqual([])
  })

  it('to children take as many as lists do', async () => {
    const children = async (first: number | null): Promise<any> =>
      (
        await api.post(
          'query($first: Int) { replicaSet(namespace: "shop", name: "web-1") { children(first: $first) { id } } }',
          { first },
        )
      ).body
    expect((await children(null)).data.replicaSet.children).toHaveLength(2)
    for (const first of [0, -1, 501])
      expect([first, (await children(first)).errors?.[0].extensions.code]).toEqual([first, 'BadRequest'])
  })

  it('are narrowed and cut into pages like lists', async () => {
    const query = `query($after: String, $fields: String) { deployment(namespace: "shop", name: "web") {
      pods(first: 1, after: $after, fieldSelector: $fields) {
        nodes { metadata { name } } totalCount pageInfo { hasNextPage endCursor }
      }
    } }`
    const first = (await api.data(query)).deployment.pods
    expect(first).toMatchObject({
      nodes: [{ metadata: { name: 'web-1-a' } }],
      totalCount: 2,
      pageInfo: { hasNextPage: true },
    })
    const second = (await api.data(query, { after: first.pageInfo.endCursor })).deployment.pods
    expect(second).toMatchObject({ nodes: [{ metadata: { name: 'web-1-b' } }], pageInfo: { hasNextPage: false } })
    const placed = (await api.data(query, { fields: 'spec.nodeName=node-a' })).deployment.pods
    expect(placed.totalCount).toBe(1)
    const bad = await api.post(query, { fields: 'spec.nope=x' })
    expect(bad.body.errors[0]).toMatchObject({ path: ['deployment', 'pods'], extensions: { code: 'BadRequest' } })
  })

  it('from an owner that is gone are null', async () => {
    const [{ metadata }] = [shop.replicaSet]
    const orphan = examplePod('orphan', {
      ownerReferences: [
        { ...reference('ReplicaSet', shop.replicaSet), name: 'gone', uid: `${metadata.uid.slice(0, -4)}0000` },
      ],
    })
    await create('/api/v1/namespaces/shop/pods', orphan)
    const { pod } = await api.data('{ pod(namespace: "shop", name: "orphan") { owner { id } owners { id } } }')
    expect(pod).toEqual({ owner: null, owners: [] })
  })

  it('work on what is reached by resource, through the interface', async () => {
    const { objects } = await api.data(`{
      objects(resource: {group: "apps", version: "v1", plural: "replicasets"}, namespace: "shop") {
        nodes { kind owner { kind } children { kind owner { metadata { name } } } events { totalCount } }
      }
    }`)
    expect(objects.nodes).toEqual([
      {
        kind: 'ReplicaSet',
        owner: { kind: 'Deployment' },
        children: [
          { kind: 'Pod', owner: { metadata: { name: 'web-1' } } },
          { kind: 'Pod', owner: { metadata: { name: 'web-1' } } },
        ],
        events: { totalCount: 0 },
      },
    ])
  })
})

describe('a query', () => {
  it('shows one revision in all its parts while others write', async () => {
    // Two objects that are always written in one go: whoever sees them differ has seen two revisions.
    const write = (turn: number, verb: string): Promise<unknown> =>
      api.rest('POST', '/apis/binnacle.dev/v1/writes', {
        atomic: true,
        writes: ['pages', 'other'].map((namespace) => ({
          verb,
          group: '',
          version: 'v1',
          resource: 'configmaps',
          namespace,
          name: 'twin',
          object: { metadata: { name: 'twin', namespace, labels: { turn: `t${turn}` } }, data: { turn: `t${turn}` } },
        })),
      })
    await write(0, 'create')
    const reading = new AbortController()
    const writer = (async () => {
      for (let turn = 1; !reading.signal.aborted; turn++) await write(turn, 'update')
    })()
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const data = await api.data(`{
        first: configMap(namespace: "pages", name: "twin") { data }
        list: configMaps(fieldSelector: "metadata.name=twin") { nodes { data } resourceVersion }
        pods(namespace: "shop") { nodes { configMaps { nodes { data } } } resourceVersion }
        last: configMap(namespace: "other", name: "twin") { data }
      }`)
      const turns = [data.first, data.last, ...data.list.nodes].map((object: any) => object.data.turn)
      expect(new Set(turns).size, turns.join()).toBe(1)
      expect(turns).toHaveLength(4)
      expect(data.pods.resourceVersion).toBe(data.list.resourceVersion)
      seen.add(turns[0])
    }
    reading.abort()
    await writer
    expect(seen.size).toBeGreaterThan(1)
  })

  it('sees what was written before it was sent', async () => {
    for (let i = 0; i < 10; i++) {
      await api.rest(
        'PATCH',
        '/api/v1/namespaces/pages/configmaps/twin',
        { data: { turn: `w${i}` } },
        {
          'content-type': 'application/merge-patch+json',
        },
      )
      const data = await api.data('{ configMap(namespace: "pages", name: "twin") { data } }')
      expect(data.configMap.data.turn).toBe(`w${i}`)
    }
  })
})
