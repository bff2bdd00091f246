import { type ResourceDefinition, type Service, services } from '@binnacle/resources'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusal, startTestServer, type TestServer } from '../test-server.ts'

let test: TestServer
const namespace = 'services'

beforeAll(async () => {
  test = await startTestServer()
  await test.createNamespace(namespace)
})
afterAll(async () => await test.stop())

const definition = services as ResourceDefinition<any>
const service = (name: string, spec: object = {}) => ({
  metadata: { name, namespace },
  spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
})
const make = async (name: string, spec: object = {}): Promise<Service> =>
  await test.create(services, service(name, spec))
const change = async (name: string, spec: object): Promise<Service> =>
  (
    await test.server.patch(test.request, definition, { namespace, name }, { type: 'merge', body: { spec } })
  ).object.parse()
const remove = async (name: string) => await test.server.delete(test.request, definition, { namespace, name })
const addressTaken = (address: string) =>
  test.store.get({ resource: 'ipaddresses.networking.k8s.io', namespace: '', name: address }) !== undefined

describe('cluster addresses', () => {
  it('come from the range, with the fields that go with them', async () => {
    const { spec } = await make('a')
    expect(spec?.clusterIP).toMatch(/^10\.96\.0\.\d+$/)
    expect(spec).toMatchObject({
      type: 'ClusterIP',
      clusterIPs: [spec?.clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
    })
    expect(addressTaken(spec?.clusterIP ?? '')).toBe(true)
  })

  it('are free again when the Service goes', async () => {
    const { spec } = await make('b')
    await remove('b')
    expect(addressTaken(spec?.clusterIP ?? '')).toBe(false)
    expect((await make('b2', { clusterIP: spec?.clusterIP })).spec?.clusterIP).toBe(spec?.clusterIP)
  })

  it('may be asked for, once', async () => {
    expect((await make('c', { clusterIP: '10.96.0.7' })).spec?.clusterIPs).toEqual(['10.96.0.7'])
    expect(await refusal(make('c2', { clusterIP: '10.96.0.7' }))).toMatchObject({
      code: 422,
      message:
        'Service "c2" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.7"]: failed to allocate IP 10.96.0.7: provided IP is already allocated',
    })
  })

  it('must be in the range', async () => {
    expect((await refusal(make('d', { clusterIP: '10.1.2.3' }))).message).toBe(
      'Service "d" is invalid: spec.clusterIPs: Invalid value: ["10.1.2.3"]: failed to allocate IP 10.1.2.3: the provided IP (10.1.2.3) is not in the valid range. The range of valid IPs is 10.96.0.0/24',
    )
  })

  it('are not given to headless Services', async () => {
    expect((await make('e', { clusterIP: 'None' })).spec).toMatchObject({ clusterIP: 'None', clusterIPs: ['None'] })
  })

  it('stay through updates that do not name them, and cannot be changed', async () => {
    const { spec } = await make('f')
    const body = { ...service('f'), spec: { selector: { other: 'x' }, ports: [{ port: 81 }] } }
    const answer = await test.server.update(test.request, definition, { namespace, name: 'f' }, body)
    expect(answer.object.parse().spec.clusterIP).toBe(spec?.clusterIP)
    const other = spec?.clusterIP === '10.96.0.9' ? '10.96.0.8' : '10.96.0.9'
    const status = await refusal(change('f', { clusterIP: other, clusterIPs: [other] }))
    expect(status.message).toContain('may not change once set')
  })

  it('are given up by a change to ExternalName and taken again by the way back', async () => {
    const { spec } = await make('g')
    const external = await change('g', {
      type: 'ExternalName',
      externalName: 'example.com',
      clusterIP: null,
      clusterIPs: null,
    })
    expect(external.spec?.clusterIP).toBeUndefined()
    expect(addressTaken(spec?.clusterIP ?? '')).toBe(false)
    expect((await change('g', { type: 'ClusterIP', externalName: null })).spec?.clusterIP).toMatch(/^10\.96\.0\./)
  })

  it('differ, however many processes give them away at once', async () => {
    const other = await test.another()
    const all = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const server = i % 2 === 0 ? test.server : other.server
        return (
          await server.create(test.request, definition, namespace, service(`many-${i}`))
        ).object.parse() as Service
      }),
    )
    expect(new Set(all.map((made) => made.spec?.clusterIP)).size).toBe(60)
  })

  it('take nothing in a dry run', async () => {
    const answer = await test.server.create(test.request, definition, namespace, service('dry'), { dryRun: true })
    expect(addressTaken(answer.object.parse().spec.clusterIP)).toBe(false)
  })
})

describe('node ports', () => {
  it('are given to Services that need them and released with the type', async () => {
    const { spec } = await make('n', {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ],
    })
    const given = (spec?.ports ?? []).map((port) => port.nodePort ?? 0)
    expect(given.every((port) => port >= 30_000 && port <= 32_767)).toBe(true)
    expect(new Set(given).size).toBe(2)
    const plain = await change('n', { type: 'ClusterIP' })
    expect(plain.spec?.ports?.some((port) => port.nodePort !== undefined)).toBe(false)
    expect(
      (await make('n2', { type: 'NodePort', ports: [{ port: 80, nodePort: given[0] }] })).spec?.ports,
    ).toMatchObject([{ nodePort: given[0] }])
  })

  it('stay through updates', async () => {
    const { spec } = await make('o', { type: 'NodePort' })
    const body = { ...service('o'), spec: { type: 'NodePort', selector: { a: 'b' }, ports: [{ port: 80 }] } }
    const answer = await test.server.update(test.request, definition, { namespace, name: 'o' }, body)
    expect(answer.object.parse().spec.ports[0].nodePort).toBe(spec?.ports?.[0]?.nodePort)
  })

  it('may be asked for, once, in the range', async () => {
    await make('p', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_100 }] })
    expect((await refusal(make('p2', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_100 }] }))).message).toBe(
      'Service "p2" is invalid: spec.ports[0].nodePort: Invalid value: 30100: provided port is already allocated',
    )
    expect((await refusal(make('p3', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }))).message).toBe(
      'Service "p3" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    )
  })

  it('are free again when the Service goes', async () => {
    await make('q', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_200 }] })
    await remove('q')
    await make('q2', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_200 }] })
  })

  it('belong to load balancers too', async () => {
    const { spec } = await make('l', { type: 'LoadBalancer' })
    expect(spec?.ports?.[0]?.nodePort).toBeGreaterThan(29_999)
  })
})
