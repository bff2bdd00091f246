import type { Endpoint, EndpointSlice, Service } from '@binnacle/resources'
import { aService } from '@binnacle/testing'
import { describe, expect, test } from 'vitest'
import { parseFlows, staleFlows } from './conntrack.ts'
import { planService } from './plan.ts'
import { proxyTables } from './skeleton.ts'

const node = { name: 'a', zone: 'z1', addresses: ['172.31.0.11'] }
const surroundings = { node, clusterCIDRs: ['10.244.0.0/16'] }

function slice(endpoints: Endpoint[], protocol = 'TCP'): EndpointSlice {
  return {
    metadata: { name: 's' },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', port: 8080, protocol }],
  } as EndpointSlice
}
const at = (address: string, rest: Partial<Endpoint> = {}): Endpoint => ({
  addresses: [address],
  nodeName: 'b',
  ...rest,
})

const plan = (spec: NonNullable<Service['spec']>, endpoints: Endpoint[], protocol = 'TCP') =>
  planService(aService({ spec }), [slice(endpoints, protocol)], surroundings)
/** The endpoints that the cluster address has. */
const used = (spec: NonNullable<Service['spec']>, endpoints: Endpoint[]): string[] =>
  [...plan(spec, endpoints).elements]
    .filter(([id]) => id.startsWith('ip endpoints-tcp 10.96.0.10 '))
    .map(([, value]) => value.replace(' . 8080', ''))
const verdict = (spec: NonNullable<Service['spec']>, endpoints: Endpoint[], id: string) =>
  plan(spec, endpoints).elements.get(id)

const ending = { conditions: { ready: false, serving: true, terminating: true } }
const gone = { conditions: { ready: false, serving: false, terminating: true } }
const here = { nodeName: 'a' }
const inZone = (name: string) => ({ hints: { forZones: [{ name }] } })
const forNode = (name: string) => ({ hints: { forZones: [{ name: 'z1' }], forNodes: [{ name }] } })

describe('the endpoints of a cluster address', () => {
  test.each<[string, NonNullable<Service['spec']>, Endpoint[], string[]]>([
    [
      'are those that are ready',
      {},
      [at('10.244.1.1'), at('10.244.1.2', { conditions: { ready: false } })],
      ['10.244.1.1'],
    ],
    [
      'are those that end but serve where none is ready',
      {},
      [at('10.244.1.1', ending), at('10.244.1.2', gone)],
      ['10.244.1.1'],
    ],
    ['leave out those that end where one is ready', {}, [at('10.244.1.1', ending), at('10.244.1.2')], ['10.244.1.2']],
    [
      'are those of the node under internal policy Local',
      { internalTrafficPolicy: 'Local' },
      [at('10.244.1.1', here), at('10.244.1.2')],
      ['10.244.1.1'],
    ],
    [
      'are those hinted for the zone',
      {},
      [at('10.244.1.1', inZone('z1')), at('10.244.1.2', inZone('z2'))],
      ['10.244.1.1'],
    ],
    [
      'are all where one has no hint',
      {},
      [at('10.244.1.1', inZone('z1')), at('10.244.1.2')],
      ['10.244.1.1', '10.244.1.2'],
    ],
    [
      'are all where no hint is for the zone',
      {},
      [at('10.244.1.1', inZone('z2')), at('10.244.1.2', inZone('z3'))],
      ['10.244.1.1', '10.244.1.2'],
    ],
    [
      'are those hinted for the node before those of the zone',
      {},
      [at('10.244.1.1', forNode('a')), at('10.244.1.2', forNode('b'))],
      ['10.244.1.1'],
    ],
    ['count an address once that is in two slices', {}, [at('10.244.1.1'), at('10.244.1.1')], ['10.244.1.1']],
  ])('%s', (_name, spec, endpoints, expected) => {
    expect(used(spec, endpoints)).toEqual(expected)
  })
})

describe('what an address leads to', () => {
  const clusterAddress = 'ip services 10.96.0.10 . tcp . 80'
  const unanswered = 'ip no-endpoints 10.96.0.10 . tcp . 80'
  const nodePort = { type: 'NodePort', ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }] }
  test.each<[string, NonNullable<Service['spec']>, Endpoint[], string, string | undefined]>([
    [
      'chains are shared by all Services with as many endpoints',
      {},
      [at('10.244.1.1')],
      clusterAddress,
      'goto cluster-tcp-1',
    ],
    ['without endpoints connections are refused', {}, [], unanswered, 'goto refuse'],
    [
      'with endpoints on other nodes alone they are dropped under policy Local',
      { internalTrafficPolicy: 'Local' },
      [at('10.244.1.1')],
      unanswered,
      'drop',
    ],
    [
      'node ports masquerade under policy Cluster',
      nodePort,
      [at('10.244.1.1')],
      'ip node-ports tcp . 30080',
      'goto node-port-any-tcp-1',
    ],
    [
      'under policy Local they tell sources apart',
      { ...nodePort, externalTrafficPolicy: 'Local' },
      [at('10.244.1.1', here), at('10.244.1.2')],
      'ip node-ports tcp . 30080',
      'goto node-port-local-tcp-1-of-tcp-2',
    ],
    [
      'headless Services are left alone',
      { clusterIP: 'None', clusterIPs: ['None'] },
      [at('10.244.1.1')],
      clusterAddress,
      undefined,
    ],
    [
      'ExternalName Services are left alone',
      { type: 'ExternalName', externalName: 'example.org' },
      [],
      unanswered,
      undefined,
    ],
  ])('%s', (_name, spec, endpoints, id, expected) => {
    expect(verdict(spec, endpoints, id)).toBe(expected)
  })

  test('a Service that names another proxy is left alone', () => {
    const labels = { 'service.kubernetes.io/service-proxy-name': 'other' }
    expect(planService(aService({ labels }), [slice([at('10.244.1.1')])], surroundings).elements.size).toBe(0)
  })

  test('SCTP has maps of its own', () => {
    const ports = [{ name: 'http', port: 80, protocol: 'SCTP' }]
    expect(plan({ ports }, [at('10.244.1.1')], 'SCTP').elements.get('ip endpoints-sctp 10.96.0.10 . 80 . 0')).toBe(
      '10.244.1.1 . 8080',
    )
  })

  test('a load balancer of policy Local is told how many endpoints the node has', () => {
    const spec = { ...nodePort, type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 }
    expect(plan(spec, [at('10.244.1.1', here), at('10.244.1.2')]).health).toEqual({ port: 32000, localEndpoints: 1 })
  })
})

describe('scripts', () => {
  const tables = () => proxyTables({ clusterCIDRs: [], localhostNodePorts: false })

  test('say nothing when nothing changed', () => {
    const all = tables()
    all.put('default/web', plan({}, [at('10.244.1.1')]))
    all.wholeScript()
    all.put('default/web', plan({}, [at('10.244.1.1')]))
    expect(all.differenceScript()).toBe('')
  })

  test('replace an element by deleting and adding it in one transaction', () => {
    const all = tables()
    all.put('default/web', plan({}, [at('10.244.1.1')]))
    all.wholeScript()
    all.put('default/web', plan({}, [at('10.244.1.2')]))
    expect(all.differenceScript()).toBe(
      'delete element ip binnacle-proxy endpoints-tcp { 10.96.0.10 . 80 . 0 }\n' +
        'add element ip binnacle-proxy endpoints-tcp { 10.96.0.10 . 80 . 0 : 10.244.1.2 . 8080 }\n',
    )
  })

  test('give an address that two Services want to the first by name, and to the other when that one goes', () => {
    const all = tables()
    const id = 'ip endpoints-tcp 10.96.0.10 . 80 . 0'
    all.put('default/b', plan({}, [at('10.244.1.2')]))
    all.put('default/a', plan({}, [at('10.244.1.1')]))
    expect(all.elements().get(id)).toBe('10.244.1.1 . 8080')
    all.put('default/a', undefined)
    expect(all.elements().get(id)).toBe('10.244.1.2 . 8080')
  })
})

test('UDP flows are stale when their endpoint no longer stands behind the address', () => {
  const text = [
    'udp      17 28 src=10.244.1.9 dst=10.96.0.10 sport=40000 dport=53 src=10.244.1.1 dst=10.244.1.9 sport=8053 dport=40000 mark=0 use=1',
    'udp      17 28 src=10.244.1.9 dst=10.96.0.10 sport=40001 dport=53 src=10.244.1.2 dst=10.244.1.9 sport=8053 dport=40001 mark=0 use=1',
    'udp      17 28 src=10.244.1.9 dst=172.31.0.11 sport=40002 dport=30053 [UNREPLIED] src=172.31.0.11 dst=10.244.1.9 sport=30053 dport=40002 mark=0 use=1',
    'udp      17 28 src=10.244.1.9 dst=192.0.2.1 sport=40003 dport=53 src=192.0.2.1 dst=10.244.1.9 sport=53 dport=40003 mark=0 use=1',
  ].join('\n')
  const endpoints = new Set(['10.244.1.1 8053'])
  const stale = staleFlows(
    parseFlows(text, 'ip'),
    [
      { family: 'ip', address: '10.96.0.10', port: 53, endpoints },
      { family: 'ip', address: undefined, port: 30053, endpoints },
    ],
    ['172.31.0.11'],
  )
  expect(stale.map(({ sourcePort }) => sourcePort)).toEqual([40001, 40002])
})
