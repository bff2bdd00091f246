import { hasReason } from '@binnacle/apimachinery'
import type { Client } from '@binnacle/client'
import { type EndpointSlice, endpointSlices, type Node, type Service, services } from '@binnacle/resources'
import { internalAddresses } from '../cni/plan.ts'
import { familyOf } from '../network/addresses.ts'

/** Where a node's DNS server is found. */
export interface DnsPublication {
  readonly client: Client
  readonly node: Node
  /** Of the server on the node's own address. */
  readonly port: number
  /** The address that pods have in their resolv.conf (kubelet's `clusterDNS`). */
  readonly clusterIP: string
}

const namespace = 'kube-system'
/** The name that every cluster has for it, whoever serves. */
const serviceName = 'kube-dns'
const dnsPort = 53
const ports = [
  { name: 'dns', protocol: 'UDP' },
  { name: 'dns-tcp', protocol: 'TCP' },
]

/**
 * Makes the Service `kube-dns` lead to this node's server: the Service where it is missing, and an EndpointSlice of the node's own, which goes with
 * the node. Each endpoint is hinted for its node, so that pods ask the server beside them.
 */
export async function publishDns({ client, node, port, clusterIP }: DnsPublication): Promise<void> {
  // Asked for first: that its address is taken would be the answer to making it again, as of kube-apiserver.
  const isThere = await client.get(services, { namespace, name: serviceName }).then(
    () => true,
    (error: unknown) => {
      if (hasReason(error, 'NotFound')) return false
      throw error
    },
  )
  if (!isThere) await createUnlessThere(client, services, dnsService(clusterIP))
  for (const slice of dnsSlices(node, port)) {
    const key = { namespace, name: slice.metadata.name ?? '' }
    if (await createUnlessThere(client, endpointSlices, slice)) continue
    const existing = await client.get(endpointSlices, key)
    const isSame = JSON.stringify([existing.endpoints?.[0]?.addresses, existing.ports?.map((each) => each.port)])
    if (isSame === JSON.stringify([slice.endpoints?.[0]?.addresses, slice.ports?.map((each) => each.port)])) continue
    await client.update(endpointSlices, { ...existing, endpoints: slice.endpoints ?? [], ports: slice.ports ?? [] })
  }
}

async function createUnlessThere(client: Client, resource: any, object: Service | EndpointSlice): Promise<boolean> {
  try {
    await client.create(resource, object)
    return true
  } catch (error) {
    if (hasReason(error, 'AlreadyExists')) return false
    throw error
  }
}

function dnsService(clusterIP: string): Service {
  const labels = { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: serviceName, namespace, labels },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: ports.map((each) => ({ ...each, port: dnsPort })) },
  }
}

function dnsSlices(node: Node, port: number): EndpointSlice[] {
  const { name: nodeName = '', uid = '' } = node.metadata
  return internalAddresses(node)
    .slice(0, 1)
    .map((address) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${serviceName}-${nodeName}`,
        namespace,
        labels: {
          'kubernetes.io/service-name': serviceName,
          'endpointslice.kubernetes.io/managed-by': 'node-agent.binnacle',
        },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }],
      },
      addressType: familyOf(address) === 'ip' ? 'IPv4' : 'IPv6',
      endpoints: [
        { addresses: [address], nodeName, conditions: { ready: true }, hints: { forNodes: [{ name: nodeName }] } },
      ],
      ports: ports.map((each) => ({ ...each, port })),
    }))
}
