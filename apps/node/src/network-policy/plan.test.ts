import type { NetworkPolicy, NetworkPolicySpec, Pod } from '@binnacle/resources'
import { aNamespace, aPod } from '@binnacle/testing'
import { describe, expect, test } from 'vitest'
import { planPolicies } from './plan.ts'

function running(name: string, addresses: readonly string[], rest: Partial<Pod['spec']> = {}, phase = 'Running'): Pod {
  const pod = aPod({ name, namespace: 'default', nodeName: 'a', phase, labels: { app: name } })
  const status = { ...pod.status, podIP: addresses[0] ?? '', podIPs: addresses.map((ip) => ({ ip })) }
  return { ...pod, spec: { ...pod.spec, ...rest } as NonNullable<Pod['spec']>, status }
}

const policyOf = (spec: NetworkPolicySpec): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'policy', namespace: 'default' },
  spec,
})

const plan = (spec: NetworkPolicySpec, pods: readonly Pod[]) =>
  planPolicies({
    nodeName: 'a',
    policies: [policyOf(spec)],
    pods,
    namespaces: [aNamespace('default')],
  })

const everything: NetworkPolicySpec = { podSelector: {} }
const isolated = (spec: NetworkPolicySpec, pods: readonly Pod[]): string[] =>
  [...plan(spec, pods).elements.keys()].filter((id) => /^ip6? (ingress|egress) /.test(id)).toSorted()
/** The rules that let something through. */
const allowed = (spec: NetworkPolicySpec): string[] =>
  [...plan(spec, [running('web', ['10.244.1.2', 'fd44::2'])]).chains]
    .filter(([id]) => id.startsWith('ip policy-'))
    .flatMap(([, rules]) => rules)

describe('a policy isolates', () => {
  test.each<[string, NetworkPolicySpec, Pod[], string[]]>([
    [
      'every address of a pod that it selects',
      everything,
      [running('web', ['10.244.1.2', 'fd44::2'])],
      ['ip ingress 10.244.1.2', 'ip6 ingress fd44::2'],
    ],
    [
      'for egress too when it has such rules',
      { ...everything, egress: [{}] },
      [running('web', ['10.244.1.2'])],
      ['ip egress 10.244.1.2', 'ip ingress 10.244.1.2'],
    ],
    [
      'for egress alone when it says so',
      { ...everything, policyTypes: ['Egress'] },
      [running('web', ['10.244.1.2'])],
      ['ip egress 10.244.1.2'],
    ],
    [
      'no pod that it does not select',
      { podSelector: { matchLabels: { app: 'db' } } },
      [running('web', ['10.244.1.2'])],
      [],
    ],
    ['no pod of another node', everything, [running('web', ['10.244.2.2'], { nodeName: 'b' })], []],
    ["no pod of the host's network", everything, [running('web', ['172.31.0.11'], { hostNetwork: true })], []],
    [
      'no pod that has ended, whose address another may have',
      everything,
      [running('web', ['10.244.1.2'], {}, 'Succeeded')],
      [],
    ],
  ])('%s', (_name, spec, pods, expected) => {
    expect(isolated(spec, pods)).toEqual(expected)
  })
})

describe('a rule', () => {
  test.each<[string, NetworkPolicySpec, string[]]>([
    ['without peers and ports lets everything through', { ...everything, ingress: [{}] }, ['accept']],
    ['is not there: nothing gets through', everything, []],
    [
      'with an empty list of peers means everybody',
      { ...everything, ingress: [{ from: [], ports: [{ port: 80 }] }] },
      ['tcp dport 80 accept'],
    ],
    [
      'multiplies peers and ports',
      {
        ...everything,
        ingress: [
          {
            from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.1.2.0/24'] } }],
            ports: [{ port: 80, endPort: 90 }, { protocol: 'UDP' }],
          },
        ],
      },
      [
        'ip saddr 10.0.0.0/8 ip saddr != 10.1.0.0/16 ip saddr != 10.1.2.0/24 tcp dport 80-90 accept',
        'ip saddr 10.0.0.0/8 ip saddr != 10.1.0.0/16 ip saddr != 10.1.2.0/24 meta l4proto udp accept',
      ],
    ],
    [
      'for addresses of the other family lets nothing of this one through',
      { ...everything, ingress: [{ from: [{ ipBlock: { cidr: 'fd00::/8' } }] }] },
      [],
    ],
  ])('%s', (_name, spec, expected) => {
    expect(allowed(spec)).toEqual(expected)
  })
})
