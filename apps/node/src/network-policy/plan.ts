import { createHash } from 'node:crypto'
import { type LabelSelector, selectorFromLabelSelector, type Selector } from '@binnacle/apimachinery'
import type {
  Namespace,
  NetworkPolicy,
  NetworkPolicyIngressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Pod,
} from '@binnacle/resources'
import { type Family, familyOf, ofFamily } from '../network/addresses.ts'
import type { TableContent } from '../network/nft-tables.ts'

/** The name of the tables; nothing else of the machine's rules is touched. */
export const policyTable = 'binnacle-policy'

/** What policies are planned from: the whole cluster's, since peers are anywhere. */
export interface PolicyView {
  readonly nodeName: string
  readonly policies: Iterable<NetworkPolicy>
  readonly pods: Iterable<Pod>
  readonly namespaces: Iterable<Namespace>
}

type Direction = 'ingress' | 'egress'

/**
 * The fixed part. Both directions have to let a new connection through: they are chains of their own hook, so that `accept` in one leaves the other
 * to decide. What runs on the node itself reaches its pods and is reached by them always, as Kubernetes has it: only what is forwarded is looked at.
 * Services are behind us here: packets have the address of the pod that they go to.
 */
export function policySkeleton(family: Family): string {
  const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
  const chain = (direction: Direction, priority: number, address: string): string => `
map ${direction} { type ${type} : verdict; }
chain forward-${direction} {
  type filter hook forward priority ${priority};
  ct state established,related accept
  ${family} ${address} vmap @${direction}
}`
  return chain('egress', 10, 'saddr') + chain('ingress', 20, 'daddr')
}

/**
 * Decides what the tables have to say: for each pod of this node that a policy selects, a chain that all pods with the same policies share; one chain
 * for each policy and direction; and a set for each selector of peers, so that pods that come and go change elements alone.
 */
export function planPolicies(view: PolicyView): TableContent {
  return new Draft(view).plan()
}

class Draft {
  readonly #view: PolicyView
  readonly #namespaces: Map<string, Namespace>
  readonly #pods: readonly Pod[]
  readonly #elements = new Map<string, string>()
  readonly #chains = new Map<string, readonly string[]>()
  readonly #sets = new Map<string, string>()

  constructor(view: PolicyView) {
    this.#view = view
    this.#namespaces = new Map([...view.namespaces].map((namespace) => [namespace.metadata.name ?? '', namespace]))
    this.#pods = [...view.pods].filter(hasOwnAddress)
  }

  plan(): TableContent {
    const policies = [...this.#view.policies].toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    const selectors = new Map(
      policies.map((policy) => [policy, selectorFromLabelSelector(policy.spec?.podSelector ?? {})]),
    )
    for (const pod of this.#pods) {
      if (pod.spec?.nodeName !== this.#view.nodeName) continue
      const selecting = policies.filter(
        (policy) =>
          policy.metadata.namespace === pod.metadata.namespace &&
          selectors.get(policy)?.matches(pod.metadata.labels) === true,
      )
      for (const direction of ['ingress', 'egress'] as const)
        this.#isolate(
          pod,
          selecting.filter((policy) => concerns(policy, direction)),
          direction,
        )
    }
    return { elements: this.#elements, chains: this.#chains, sets: this.#sets }
  }

  /** A pod that any policy selects for a direction gets only what they allow; with none it gets everything. */
  #isolate(pod: Pod, policies: readonly NetworkPolicy[], direction: Direction): void {
    if (policies.length === 0) return
    for (const address of addressesOf(pod)) {
      const family = familyOf(address)
      const chains = policies.map((policy) => this.#policyChain(family, policy, direction))
      const group = `${direction}-${digest(chains.join(' '))}`
      this.#chains.set(`${family} ${group}`, [...chains.map((chain) => `jump ${chain}`), 'drop'])
      // No pod is kept from itself.
      const own = `${direction}-of-${address.replaceAll(/[.:]/g, '-')}`
      const other = direction === 'ingress' ? 'saddr' : 'daddr'
      this.#chains.set(`${family} ${own}`, [`${family} ${other} ${address} accept`, `goto ${group}`])
      this.#elements.set(`${family} ${direction} ${address}`, `goto ${own}`)
    }
  }

  #policyChain(family: Family, policy: NetworkPolicy, direction: Direction): string {
    const name = `policy-${direction}-${digest(nameOf(policy))}`
    const id = `${family} ${name}`
    if (this.#chains.has(id)) return name
    const rules = rulesOf(policy, direction)
    const namespace = policy.metadata.namespace ?? ''
    const lines = rules.flatMap(({ peers, ports }) => {
      const from = peers.length === 0 ? [''] : peers.flatMap((peer) => this.#peer(family, peer, namespace, direction))
      const to = ports.length === 0 ? [''] : ports.flatMap((port) => this.#port(family, port))
      return from.flatMap((match) => to.map((end) => [match, end, 'accept'].filter((part) => part !== '').join(' ')))
    })
    this.#chains.set(id, lines)
    return name
  }

  /** The match of a peer: none when it is of the other family. */
  #peer(family: Family, peer: NetworkPolicyPeer, namespace: string, direction: Direction): string[] {
    const field = `${family} ${direction === 'ingress' ? 'saddr' : 'daddr'}`
    const { ipBlock, podSelector, namespaceSelector } = peer
    if (ipBlock !== undefined) {
      if (familyOf(ipBlock.cidr) !== family) return []
      return [[`${field} ${ipBlock.cidr}`, ...(ipBlock.except ?? []).map((range) => `${field} != ${range}`)].join(' ')]
    }
    const name = `peers-${digest(JSON.stringify([namespaceSelector ?? namespace, podSelector ?? {}]))}`
    const id = `${family} ${name}`
    if (!this.#sets.has(id)) {
      this.#sets.set(id, `type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'};`)
      for (const pod of this.#selected(podSelector ?? {}, namespaceSelector, namespace))
        for (const address of ofFamily(addressesOf(pod), family)) this.#elements.set(`${id} ${address}`, '')
    }
    return [`${field} @${name}`]
  }

  #selected(podSelector: LabelSelector, namespaceSelector: LabelSelector | undefined, namespace: string): Pod[] {
    const byPod = selectorFromLabelSelector(podSelector)
    const byNamespace: Selector | undefined = namespaceSelector && selectorFromLabelSelector(namespaceSelector)
    return this.#pods.filter(({ metadata }) => {
      const own = metadata.namespace ?? ''
      const isInside =
        byNamespace === undefined
          ? own === namespace
          : this.#namespaces.has(own) && byNamespace.matches(this.#namespaces.get(own)?.metadata.labels)
      return isInside && byPod.matches(metadata.labels)
    })
  }

  /** The match of a port, by number, range or the name that the pod at the other end gives it. */
  #port(family: Family, { port, endPort, protocol = 'TCP' }: NetworkPolicyPort): string[] {
    const transport = protocol.toLowerCase()
    if (port === undefined) return [`meta l4proto ${transport}`]
    if (typeof port === 'number') return [`${transport} dport ${endPort === undefined ? port : `${port}-${endPort}`}`]
    const name = `port-${digest(`${port} ${protocol}`)}`
    const id = `${family} ${name}`
    if (!this.#sets.has(id)) {
      this.#sets.set(id, `type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'} . inet_service;`)
      for (const pod of this.#pods)
        for (const number of namedPorts(pod, port, protocol))
          for (const address of ofFamily(addressesOf(pod), family))
            this.#elements.set(`${id} ${address} . ${number}`, '')
    }
    return [`meta l4proto ${transport} ${family} daddr . ${transport} dport @${name}`]
  }
}

/** Pods that policies can tell by their address: those of the host's network have the node's. */
function hasOwnAddress({ spec, status }: Pod): boolean {
  return spec?.hostNetwork !== true && status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
}

function addressesOf({ status }: Pod): readonly string[] {
  const addresses = (status?.podIPs ?? []).map(({ ip }) => ip)
  return addresses.length > 0 ? addresses : status?.podIP ? [status.podIP] : []
}

/** Ingress unless the policy says otherwise, egress when it has such rules. */
function concerns({ spec }: NetworkPolicy, direction: Direction): boolean {
  const types = spec?.policyTypes ?? ['Ingress', ...((spec?.egress ?? []).length > 0 ? ['Egress'] : [])]
  return types.includes(direction === 'ingress' ? 'Ingress' : 'Egress')
}

interface Rule {
  readonly peers: readonly NetworkPolicyPeer[]
  readonly ports: readonly NetworkPolicyPort[]
}

function rulesOf({ spec }: NetworkPolicy, direction: Direction): Rule[] {
  if (direction === 'egress') return (spec?.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }))
  return (spec?.ingress ?? []).map(({ from = [], ports = [] }: NetworkPolicyIngressRule) => ({ peers: from, ports }))
}

function namedPorts({ spec }: Pod, name: string, protocol: string): number[] {
  // Init containers that go on beside the others serve too.
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...(spec?.containers ?? []), ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .filter((port) => port.name === name && (port.protocol ?? 'TCP') === protocol)
    .map(({ containerPort }) => containerPort)
}

function nameOf({ metadata }: NetworkPolicy): string {
  return `${metadata.namespace}/${metadata.name}`
}

/** Short enough for a name in nftables, long enough that no two meet. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
