import {
  configMaps,
  deployments,
  events,
  namespaces,
  type Pod,
  pods,
  type ResourceDefinition,
} from '@binnacle/resources'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ListRequest, SelectedEvent, WatchRequest } from './api-server.ts'
import { refusal, startTestServer, type TestServer } from './test-server.ts'

let test: TestServer
let namespace = ''
let count = 0

beforeAll(async () => {
  test = await startTestServer()
})
afterAll(async () => await test.stop())
beforeEach(async () => {
  namespace = `read-${++count}`
  await test.createNamespace(namespace)
})

const maps = configMaps as ResourceDefinition<any>
const make = async (name: string, labels?: Record<string, string>) =>
  await test.create(configMaps, {
    metadata: { name, namespace, ...(labels === undefined ? {} : { labels }) },
    data: { n: name },
  })
const change = async (name: string, body: Record<string, unknown>) =>
  (await test.server.patch(test.request, maps, { namespace, name }, { type: 'merge', body })).object
const list = async (options: ListRequest & { wantSegments?: boolean } = {}) =>
  await test.server.list(test.request, maps, { namespace, ...options })
const names = async (options: ListRequest = {}) => (await list(options)).objects.map((object) => object.key.name)
const future = () => String(test.store.cachedRevision + 1_000_000)

describe('get', () => {
  it('gives the object', async () => {
    await make('a')
    const object = await test.server.get(test.request, maps, { namespace, name: 'a' })
    expect(object.parse().data).toEqual({ n: 'a' })
  })

  it('sees what another API process acknowledged', async () => {
    const other = await test.another()
    for (let i = 0; i < 20; i++) {
      const body = { metadata: { name: `x${i}`, namespace } }
      await other.server.create(test.request, maps, namespace, body)
      await test.server.get(test.request, maps, { namespace, name: `x${i}` })
    }
  })

  it('says what is not there', async () => {
    expect(await refusal(test.server.get(test.request, maps, { namespace, name: 'none' }))).toMatchObject({
      code: 404,
      message: 'configmaps "none" not found',
    })
  })

  it('does not wait for a revision that is far ahead for ever', async () => {
    const call = test.server.get(test.request, maps, { namespace, name: 'a' }, { resourceVersion: future() })
    expect(await refusal(call)).toMatchObject({
      code: 504,
      reason: 'Timeout',
      message: expect.stringMatching(/^Too large resource version: \d+, current: \d+$/),
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 },
    })
  })

  it('refuses a resourceVersion that is no number', async () => {
    const call = test.server.get(test.request, maps, { namespace, name: 'a' }, { resourceVersion: 'x' })
    expect((await refusal(call)).code).toBe(400)
  })
})

describe('list', () => {
  it('is in the order of names', async () => {
    for (const name of ['b', 'a', 'c']) await make(name)
    expect(await names()).toEqual(['a', 'b', 'c'])
  })

  it('selects by labels', async () => {
    await make('a', { app: 'x', tier: 'front' })
    await make('b', { app: 'y' })
    await make('c')
    expect(await names({ labelSelector: 'app=x' })).toEqual(['a'])
    expect(await names({ labelSelector: 'app in (x,y),tier!=front' })).toEqual(['b'])
    expect(await names({ labelSelector: '!app' })).toEqual(['c'])
    expect((await refusal(list({ labelSelector: 'a=(' }))).code).toBe(400)
  })

  it('selects by name and namespace', async () => {
    await make('a')
    await make('b')
    expect(await names({ fieldSelector: 'metadata.name=a' })).toEqual(['a'])
    expect(await names({ fieldSelector: 'metadata.name!=a' })).toEqual(['b'])
    const everywhere = { namespace: undefined, fieldSelector: `metadata.namespace=${namespace},metadata.name=b` }
    expect(await names(everywhere)).toEqual(['b'])
  })

  it('refuses fields that the kind does not offer', async () => {
    expect((await refusal(list({ fieldSelector: 'data.a=b' }))).message).toBe(
      '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
    )
  })

  it('selects pods by node and phase', async () => {
    const pod = (name: string, nodeName?: string) => ({
      metadata: { name, namespace },
      spec: { containers: [{ name: 'c', image: 'i' }], nodeName },
    })
    await test.create(pods, pod('p1', 'n1'))
    await test.create(pods, pod('p2', 'n2'))
    await test.create(pods, pod('p3'))
    const select = async (fieldSelector: string) =>
      (await test.server.list(test.request, pods as ResourceDefinition<any>, { namespace, fieldSelector })).objects.map(
        (object) => object.key.name,
      )
    expect(await select('spec.nodeName=n1')).toEqual(['p1'])
    expect(await select('spec.nodeName=')).toEqual(['p3'])
    expect(await select('spec.nodeName!=n1,status.phase=Pending')).toEqual(['p2', 'p3'])
  })

  it('pages through one snapshot, whatever is written meanwhile', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await make(name)
    const first = await list({ limit: 2 })
    expect(first.remainingItemCount).toBe(3)
    await make('aa')
    await change('d', { data: { n: 'changed' } })
    await test.server.delete(test.request, maps, { namespace, name: 'e' })
    const second = await list({ limit: 2, continue: first.continue })
    const third = await list({ limit: 2, continue: second.continue })
    const all = [first, second, third]
    expect(all.flatMap((page) => page.objects.map((object) => object.parse().data.n))).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
    ])
    expect(new Set(all.map((page) => page.revision)).size).toBe(1)
    expect(third.continue).toBe('')
  })

  it('pages with selectors, without counting the rest', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await make(name, { odd: String(name === 'a' || name === 'c') })
    const first = await list({ limit: 1, labelSelector: 'odd=true' })
    expect(first.remainingItemCount).toBeUndefined()
    const second = await list({ limit: 1, labelSelector: 'odd=true', continue: first.continue })
    expect([...first.objects, ...second.objects].map((object) => object.key.name)).toEqual(['a', 'c'])
    expect(second.continue).toBe('')
  })

  it('refuses a continue token that it did not give', async () => {
    expect((await refusal(list({ continue: 'nonsense' }))).code).toBe(400)
    const { continue: token } = await (async () => {
      await make('a')
      await make('b')
      return await list({ limit: 1 })
    })()
    expect((await refusal(list({ continue: token, resourceVersion: '5' }))).message).toBe(
      'specifying resource version is not allowed when using continue',
    )
  })

  it('gives the state of an exact revision', async () => {
    await make('a')
    const { revision } = await list()
    await make('b')
    expect(await names({ resourceVersion: String(revision), resourceVersionMatch: 'Exact' })).toEqual(['a'])
    expect(await names({ resourceVersion: String(revision), resourceVersionMatch: 'NotOlderThan' })).toEqual(['a', 'b'])
    expect(await names({ resourceVersion: '0', limit: 1 })).toEqual(['a', 'b'])
  })

  it('refuses options that contradict each other', async () => {
    const message = async (options: ListRequest) => (await refusal(list(options))).message
    expect(await message({ resourceVersionMatch: 'Exact' })).toContain(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    )
    expect(await message({ resourceVersionMatch: 'Exact', resourceVersion: '0' })).toContain(
      'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    )
    expect(await message({ resourceVersionMatch: 'Other' as never, resourceVersion: '1' })).toContain(
      'resourceVersionMatch: Unsupported value: "Other": supported values: "Exact", "NotOlderThan", ""',
    )
    expect(await refusal(list({ resourceVersion: future() }))).toMatchObject({ code: 504, reason: 'Timeout' })
  })

  it('ends with Expired below the horizon, and a token that goes on from there', async () => {
    for (const name of ['a', 'b', 'c']) await make(name)
    const { continue: token, revision } = await list({ limit: 1 })
    for (let i = 0; i < 10; i++) await change('b', { data: { n: 'changed', i: `${i}` } })
    await test.store.compact(test.store.cachedRevision)
    const status = await refusal(list({ limit: 1, continue: token }))
    expect(status).toMatchObject({ code: 410, reason: 'Expired' })
    expect(status.message).toContain('The provided continue parameter is too old to display a consistent list result.')
    const fresh = (status.metadata as { continue?: string }).continue ?? ''
    const rest = await list({ continue: fresh })
    expect(rest.objects.map((object) => object.parse().data.n)).toEqual(['changed', 'c'])
    const old = { resourceVersion: String(revision), resourceVersionMatch: 'Exact' } as const
    expect(await refusal(list(old))).toMatchObject({ code: 410, reason: 'Expired' })
  })

  it('gives ready segments where nothing is selected', async () => {
    await make('a')
    await make('b')
    const { segments } = await list({ wantSegments: true })
    const items = JSON.parse(`[${Buffer.concat([...(segments ?? [])]).toString()}]`)
    expect(items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(['a', 'b'])
  })
})

interface Recorded {
  readonly events: SelectedEvent[]
  readonly seen: () => string[]
  readonly end: number[]
  close(): void
}
async function watch(options: WatchRequest = {}): Promise<Recorded> {
  const events: SelectedEvent[] = []
  const end: number[] = []
  const running = await test.server.watch(
    test.request,
    maps,
    { namespace, ...options },
    { onEvents: (batch) => events.push(...batch), onInitialEnd: (revision) => end.push(revision) },
  )
  const seen = () => events.map((event) => `${event.type} ${event.object.key.name}`)
  return { events, seen, end, close: () => running.close() }
}

describe('watch', () => {
  it('begins with the present state when no revision is given', async () => {
    await make('a')
    const recorded = await watch()
    await make('b')
    await change('a', { data: { x: '1' } })
    await test.server.delete(test.request, maps, { namespace, name: 'b' })
    recorded.close()
    await make('c')
    expect(recorded.seen()).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b'])
  })

  it('goes on after a revision', async () => {
    await make('a')
    const { revision } = await list()
    await make('b')
    const recorded = await watch({ resourceVersion: String(revision) })
    await make('c')
    recorded.close()
    expect(recorded.seen()).toEqual(['ADDED b', 'ADDED c'])
  })

  it('turns entering a selection into ADDED and leaving it into DELETED', async () => {
    await make('a')
    const recorded = await watch({ labelSelector: 'x=y' })
    await change('a', { metadata: { labels: { x: 'y' } } })
    await change('a', { data: { z: '1' } })
    const left = await change('a', { metadata: { labels: { x: null } } })
    await change('a', { data: { z: '2' } })
    recorded.close()
    expect(recorded.seen()).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a'])
    expect(recorded.events.at(-1)).toMatchObject({ left: true, revision: left.revision })
  })

  it('gives deleted objects the revision of their deletion', async () => {
    const made = await make('a')
    const recorded = await watch()
    await test.server.delete(test.request, maps, { namespace, name: 'a' })
    recorded.close()
    const last = recorded.events.at(-1)?.object.parse().metadata.resourceVersion
    expect(Number(last)).toBeGreaterThan(Number(made.metadata.resourceVersion))
  })

  it('says where the initial events end', async () => {
    await make('a')
    const options = { sendInitialEvents: true, allowWatchBookmarks: true, resourceVersionMatch: 'NotOlderThan' }
    const recorded = await watch(options)
    recorded.close()
    expect(recorded.seen()).toEqual(['ADDED a'])
    expect(recorded.end).toEqual([test.store.cachedRevision])
  })

  it('leaves the initial events out when told so', async () => {
    await make('a')
    const recorded = await watch({ sendInitialEvents: false, resourceVersionMatch: 'NotOlderThan' })
    await make('b')
    recorded.close()
    expect(recorded.seen()).toEqual(['ADDED b'])
  })

  it('refuses options that contradict each other', async () => {
    const message = async (options: WatchRequest) => (await refusal(watch(options))).message
    expect(await message({ resourceVersionMatch: 'NotOlderThan' })).toContain(
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    )
    expect(await message({ sendInitialEvents: true, allowWatchBookmarks: true })).toContain(
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    )
    expect(await refusal(watch({ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }))).toMatchObject({
      code: 422,
      reason: 'Invalid',
    })
  })

  it('ends with Expired below the horizon', async () => {
    await make('a')
    const { revision } = await list()
    for (let i = 0; i < 10; i++) await change('a', { data: { i: `${i}` } })
    await test.store.compact(test.store.cachedRevision)
    expect(await refusal(watch({ resourceVersion: String(revision) }))).toMatchObject({ code: 410, reason: 'Expired' })
  })

  it('sees every change of all namespaces once and in order', async () => {
    const recorded = await watch({ namespace: undefined, resourceVersion: String(await test.store.linearize()) })
    await Promise.all(Array.from({ length: 50 }, (_, i) => make(`m${i}`)))
    recorded.close()
    const revisions = recorded.events.map((event) => event.revision)
    expect(revisions).toHaveLength(50)
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
  })

  it('follows one object by name', async () => {
    await make('a')
    await make('b')
    const recorded = await watch({ fieldSelector: 'metadata.name=a' })
    await change('a', { data: { x: '1' } })
    await change('b', { data: { x: '1' } })
    recorded.close()
    expect(recorded.seen()).toEqual(['ADDED a', 'MODIFIED a'])
  })

  it('notices changes of selected fields', async () => {
    const nodeName = 'watched'
    await test.create(pods, { metadata: { name: 'p', namespace }, spec: { containers: [{ name: 'c', image: 'i' }] } })
    const seen: string[] = []
    const running = await test.server.watch(
      test.request,
      pods as ResourceDefinition<any>,
      { fieldSelector: `spec.nodeName=${nodeName}` },
      {
        onEvents: (batch) =>
          seen.push(...batch.map((event) => `${event.type} ${(event.object.parse() as Pod).spec?.nodeName}`)),
      },
    )
    const binding = { metadata: { name: 'p' }, target: { kind: 'Node', name: nodeName } }
    await test.server.createSubresource(
      test.request,
      pods as ResourceDefinition<any>,
      { namespace, name: 'p' },
      'binding',
      binding,
    )
    running.close()
    expect(seen).toEqual([`ADDED ${nodeName}`])
  })
})

describe('versions and columns', () => {
  it('gives one object in each version that is served', async () => {
    const event = {
      metadata: { name: 'e', namespace },
      involvedObject: { kind: 'Pod', name: 'p', namespace, uid: 'u' },
      reason: 'Because',
      message: 'text',
      type: 'Normal',
      source: { component: 'test' },
    }
    await test.create(events, event)
    const newer = test.server.registry.byResource('events.k8s.io', 'v1', 'events') as ResourceDefinition<any>
    const answer = await test.server.list(test.request, newer, { namespace, fieldSelector: 'regarding.name=p' })
    const [first] = answer.objects
    const decoded = JSON.parse(test.server.encode(newer, first as never).toString())
    expect(decoded).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      regarding: { name: 'p' },
      note: 'text',
    })
    const old = await test.server.list(test.request, events as ResourceDefinition<any>, {
      namespace,
      fieldSelector: 'involvedObject.uid=u,reason=Because',
    })
    expect(old.objects).toHaveLength(1)
  })

  it('makes a table of what kubectl shows', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } }
    await test.create(deployments, {
      metadata: { name: 'd', namespace },
      spec: { replicas: 3, selector: { matchLabels: { a: 'b' } }, template },
    })
    const definition = deployments as ResourceDefinition<any>
    const { objects } = await test.server.list(test.request, definition, { namespace })
    const table = test.server.table(definition, objects)
    expect(table.columnDefinitions.filter((column) => column.priority === 0).map((column) => column.name)).toEqual([
      'Name',
      'Ready',
      'Up-to-date',
      'Available',
      'Age',
    ])
    expect(table.rows[0]?.cells.slice(0, 4)).toEqual(['d', '0/3', 0, 0])
  })

  it('lists what has no namespace', async () => {
    const { objects } = await test.server.list(test.request, namespaces as ResourceDefinition<any>, {
      fieldSelector: 'status.phase=Active',
    })
    expect(objects.map((object) => object.key.name)).toContain(namespace)
  })
})
