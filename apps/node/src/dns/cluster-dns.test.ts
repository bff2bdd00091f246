import dgram from 'node:dgram'
import net, { type AddressInfo } from 'node:net'
import { endpointSlices, namespaces, services } from '@binnacle/resources'
import { aNamespace, aService, FakeClock, FakeCluster } from '@binnacle/testing'
import { type Answer, type DecodedPacket, decode, encode, type RecordType, streamEncode } from 'dns-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClusterDns, startClusterDns } from './cluster-dns.ts'
import { Forwarder } from './forwarder.ts'

const zone = 'cluster.local'
const opt: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 4096,
  flags: 0,
  ednsVersion: 0,
  extendedRcode: 0,
  flag_do: false,
  options: [],
}

/** Asks over UDP as a resolver does. */
async function ask(
  port: number,
  name: string,
  type: RecordType = 'A',
  additionals: Answer[] = [],
): Promise<DecodedPacket> {
  const socket = dgram.createSocket('udp4')
  const { promise, resolve } = Promise.withResolvers<DecodedPacket>()
  socket.on('message', (message) => resolve(decode(message)))
  socket.connect(port, '127.0.0.1', () =>
    socket.send(encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ name, type }], additionals })),
  )
  return promise.finally(() => socket.close())
}

async function askByConnection(port: number, name: string): Promise<DecodedPacket> {
  const socket = net.connect(port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<DecodedPacket>()
  let received = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    if (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) resolve(decode(received.subarray(2)))
  })
  socket.write(streamEncode({ type: 'query', id: 7, questions: [{ name, type: 'A' }] }))
  return promise.finally(() => socket.destroy())
}

const code = ({ flags = 0 }: DecodedPacket): number => flags & 0xf
const data = ({ answers = [] }: DecodedPacket): unknown[] =>
  answers.map((answer) => ('data' in answer ? answer.data : undefined)).toSorted()

/** A server outside the cluster: `known.example` is there, everything else is not. */
function outsideServer(): Promise<{ port: number; asked: string[]; close(): void }> {
  const asked: string[] = []
  const socket = dgram.createSocket('udp4')
  socket.on('message', (message, from) => {
    const query = decode(message)
    const [question] = query.questions ?? []
    asked.push(question?.name ?? '')
    const isKnown = question?.name === 'known.example'
    const answers: Answer[] = isKnown ? [{ name: 'known.example', type: 'A', ttl: 60, data: '192.0.2.7' }] : []
    const soa: Answer = {
      name: 'example',
      type: 'SOA',
      ttl: 60,
      data: { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 20 },
    }
    const reply = {
      type: 'response' as const,
      id: query.id ?? 0,
      flags: isKnown ? 0 : 3,
      questions: query.questions ?? [],
      answers,
      authorities: isKnown ? [] : [soa],
    }
    socket.send(encode(reply), from.port, from.address)
  })
  return new Promise((resolve) =>
    socket.bind(0, '127.0.0.1', () =>
      resolve({ port: (socket.address() as AddressInfo).port, asked, close: () => void socket.close() }),
    ),
  )
}

describe('cluster DNS', () => {
  const cluster = new FakeCluster({ clock: new FakeClock() })
  let dns: ClusterDns
  let port: number
  let outside: Awaited<ReturnType<typeof outsideServer>>

  beforeAll(async () => {
    outside = await outsideServer()
    await cluster.create(namespaces, aNamespace('default'))
    await cluster.create(
      services,
      aService({
        name: 'web',
        spec: {
          clusterIPs: ['10.96.0.10', 'fd96::10'],
          ipFamilies: ['IPv4', 'IPv6'],
          ipFamilyPolicy: 'RequireDualStack',
        },
      }),
    )
    await cluster.create(services, aService({ name: 'db', spec: { clusterIP: 'None', clusterIPs: ['None'] } }))
    const external = (name: string, externalName: string) =>
      cluster.create(services, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace: 'default' },
        spec: { type: 'ExternalName', externalName },
      })
    await external('outside', 'known.example')
    await external('inside', 'web.default.svc.cluster.local')
    await external('circle', 'circle.default.svc.cluster.local')
    await slice('db', [
      { addresses: ['10.244.1.5'], hostname: 'db-0' },
      { addresses: ['10.244.1.6'] },
      { addresses: ['10.244.1.7'], conditions: { ready: false } },
    ])
    dns = startClusterDns({
      client: cluster,
      addresses: ['127.0.0.1'],
      port: 0,
      zone,
      resolvConf: '/nonexistent',
      upstreams: [{ host: '127.0.0.1', port: outside.port }],
      log: () => undefined,
    })
    port = await dns.ready
  })

  afterAll(async () => {
    await dns?.stop()
    outside?.close()
  })

  const slice = (service: string, endpoints: { addresses: string[]; hostname?: string; conditions?: object }[]) =>
    cluster.create(endpointSlices, {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${service}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints,
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    })

  const own = 'default.svc.cluster.local'
  test.each<[string, string, RecordType, number, unknown[]]>([
    ['a Service has its cluster address', `web.${own}`, 'A', 0, ['10.96.0.10']],
    ['whatever the case of the letters', `WEB.Default.svc.Cluster.Local`, 'A', 0, ['10.96.0.10']],
    ['and its IPv6 address', `web.${own}`, 'AAAA', 0, ['fd96::10']],
    ['a Service that is not there does not exist', `gone.${own}`, 'A', 3, []],
    ['nor does one in a namespace that is not there', 'web.gone.svc.cluster.local', 'A', 3, []],
    ['what search domains make of names outside does not exist', `known.example.${own}`, 'A', 3, []],
    ['a name without records of a type exists', `db.${own}`, 'AAAA', 0, []],
    ['as does a namespace', own, 'A', 0, []],
    [
      'a headless Service has the addresses of endpoints that are ready',
      `db.${own}`,
      'A',
      0,
      ['10.244.1.5', '10.244.1.6'],
    ],
    ['an endpoint has its hostname', `db-0.db.${own}`, 'A', 0, ['10.244.1.5']],
    ['or its address with dashes', `10-244-1-6.db.${own}`, 'A', 0, ['10.244.1.6']],
    ['but no other name', `db-1.db.${own}`, 'A', 3, []],
    [
      'a port leads to the Service',
      `_http._tcp.web.${own}`,
      'SRV',
      0,
      [{ priority: 0, weight: 100, port: 80, target: `web.${own}` }],
    ],
    ['a port that it does not have does not exist', `_other._tcp.web.${own}`, 'SRV', 3, []],
    ['a pod has its address', '10-244-1-9.default.pod.cluster.local', 'A', 0, ['10.244.1.9']],
    ['an address of a Service has its name', '10.0.96.10.in-addr.arpa', 'PTR', 0, [`web.${own}`]],
    [
      'an IPv6 address too',
      '0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.d.f.ip6.arpa',
      'PTR',
      0,
      [`web.${own}`],
    ],
    ['an endpoint has its name', '5.1.244.10.in-addr.arpa', 'PTR', 0, [`db-0.db.${own}`]],
    ['an ExternalName is an alias', `outside.${own}`, 'CNAME', 0, ['known.example']],
    ['whose addresses come along', `outside.${own}`, 'A', 0, ['192.0.2.7', 'known.example']],
    ['an alias of a Service is followed', `inside.${own}`, 'A', 0, ['10.96.0.10', `web.${own}`]],
    ['other names are asked of another server', 'known.example', 'A', 0, ['192.0.2.7']],
    ['with what that says of names that it does not have', 'unknown.example', 'A', 3, []],
    ['the version of the specification is there', 'dns-version.cluster.local', 'TXT', 0, [[Buffer.from('1.1.0')]]],
  ])('%s', async (_name, name, type, expected, answers) => {
    const reply = await ask(port, name, type)
    expect({ code: code(reply), answers: data(reply) }).toEqual({ code: expected, answers })
  })

  test('an alias of itself fails instead of going round', async () => {
    expect(code(await ask(port, `circle.${own}`))).toBe(2)
  })

  test('ports of a headless Service lead to each endpoint, with its address', async () => {
    const reply = await ask(port, `_http._tcp.db.${own}`, 'SRV')
    expect(data(reply)).toHaveLength(2)
    expect(data(reply)).toContainEqual({ priority: 0, weight: 50, port: 8080, target: `db-0.db.${own}` })
    expect(reply.additionals).toContainEqual(expect.objectContaining({ name: `db-0.db.${own}`, data: '10.244.1.5' }))
  })

  test('the lack of an answer comes with the SOA, by which it may be kept', async () => {
    expect((await ask(port, `gone.${own}`)).authorities).toMatchObject([{ type: 'SOA', name: zone, ttl: 30 }])
  })

  test('the name is repeated as it was asked', async () => {
    expect((await ask(port, `wEb.${own}`)).answers).toMatchObject([{ name: `wEb.${own}` }])
  })

  test('an answer that does not fit is cut and marked; with EDNS more fits, and TCP has all', async () => {
    const addresses = Array.from({ length: 120 }, (_, index) => `10.244.2.${index + 1}`)
    await cluster.create(services, aService({ name: 'many', spec: { clusterIP: 'None', clusterIPs: ['None'] } }))
    await slice(
      'many',
      addresses.map((address) => ({ addresses: [address] })),
    )
    const plain = await ask(port, `many.${own}`)
    const extended = await ask(port, `many.${own}`, 'A', [opt])
    expect(plain.flag_tc).toBe(true)
    expect(plain.answers?.length).toBeGreaterThan(3)
    expect(extended.answers?.length).toBeGreaterThan(plain.answers?.length ?? 0)
    expect(data(await askByConnection(port, `many.${own}`))).toEqual(addresses.toSorted())
  })

  test('a change is answered at once', async () => {
    await cluster.create(
      services,
      aService({ name: 'new', spec: { clusterIP: '10.96.0.77', clusterIPs: ['10.96.0.77'] } }),
    )
    expect(data(await ask(port, `new.${own}`))).toEqual(['10.96.0.77'])
    await cluster.delete(services, { namespace: 'default', name: 'new' })
    expect(code(await ask(port, `new.${own}`))).toBe(3)
  })

  test('what is no question is answered as malformed, and what is none of ours not at all', async () => {
    const socket = dgram.createSocket('udp4')
    const { promise, resolve } = Promise.withResolvers<DecodedPacket>()
    socket.on('message', (message) => resolve(decode(message)))
    socket.connect(port, '127.0.0.1', () => {
      socket.send(Buffer.from('short'))
      socket.send(Buffer.from([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 255, 255]))
    })
    const reply = await promise
    expect({ id: reply.id, code: code(reply) }).toEqual({ id: 9, code: 1 })
    socket.close()
  })
})

describe('a forwarder', () => {
  test('keeps what it was told, also that a name is not there, for as long as it may', async () => {
    const outside = await outsideServer()
    const clock = new FakeClock()
    const forwarder = new Forwarder(
      () => [{ host: '127.0.0.1', port: outside.port }],
      () => clock.nowMs(),
    )
    const known = { name: 'known.example', type: 'A' as const }
    const unknown = { name: 'unknown.example', type: 'A' as const }
    for (const question of [known, unknown, known, unknown]) await forwarder.ask(question)
    expect(outside.asked).toEqual(['known.example', 'unknown.example'])
    clock.advance(30_000)
    expect((await forwarder.ask(known)).answers).toMatchObject([{ ttl: 30 }])
    expect((await forwarder.ask(unknown)).code).toBe(3)
    expect(outside.asked).toEqual(['known.example', 'unknown.example', 'unknown.example'])
    outside.close()
  })

  test('asks the next server when one is gone, and fails when all are', async () => {
    const outside = await outsideServer()
    const gone = { host: '127.0.0.1', port: 1 }
    const known = { name: 'known.example', type: 'A' as const }
    expect((await new Forwarder(() => [gone, { host: '127.0.0.1', port: outside.port }]).ask(known)).code).toBe(0)
    expect((await new Forwarder(() => [gone]).ask(known)).code).toBe(2)
    outside.close()
  })
})
