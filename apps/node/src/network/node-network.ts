import type { Client } from '@binnacle/client'
import type { Node } from '@binnacle/resources'
import { outboundTable, tunnelDevice } from '../cni/plan.ts'
import { type PodNetwork, routeProtocol, startPodNetwork } from '../cni/pod-network.ts'
import { type ClusterDns, startClusterDns } from '../dns/cluster-dns.ts'
import { publishDns } from '../dns/dns-service.ts'
import { type KubeProxy, startKubeProxy } from '../kube-proxy/kube-proxy.ts'
import { tableName as proxyTable } from '../kube-proxy/skeleton.ts'
import type { Log } from '../log.ts'
import { type RunningNetworkPolicies, startNetworkPolicies } from '../network-policy/network-policy.ts'
import { policyTable } from '../network-policy/plan.ts'
import { families } from './addresses.ts'
import type { RunCommand } from './commands.ts'

/** What all that a node does for its pods' network is given. */
export interface NodeNetworkOptions {
  readonly client: Client
  readonly nodeName: string
  /** The node's own, where its DNS server listens. */
  readonly address: string
  readonly clusterCIDRs: readonly string[]
  /** Of the Service `kube-dns`; undefined: no names are answered for. */
  readonly clusterDNS: string | undefined
  readonly zone: string
  readonly cniConfDir: string
  readonly ipamDir: string
  readonly run: RunCommand
  readonly log: Log
}

/** Where each node's DNS server listens, behind the Service's port 53. */
const dnsPort = 10_053
const resolvConf = '/etc/resolv.conf'

/** Everything a node does for the network of its pods: their devices and routes, Services, policies, names. */
export class NodeNetwork {
  readonly #options: NodeNetworkOptions
  readonly #pods: PodNetwork
  readonly #proxy: KubeProxy
  readonly #policies: RunningNetworkPolicies
  readonly #dns: ClusterDns | undefined

  /** Begins with all of it. */
  constructor(options: NodeNetworkOptions) {
    const { address, clusterDNS, cniConfDir: confDir, zone, ...rest } = options
    this.#options = options
    this.#pods = startPodNetwork({ ...rest, confDir })
    this.#proxy = startKubeProxy(rest)
    this.#policies = startNetworkPolicies(rest)
    if (clusterDNS !== undefined)
      this.#dns = startClusterDns({ ...rest, addresses: [address], port: dnsPort, zone, resolvConf })
  }

  /** Resolves when pods may start: what they are to find is there, and what they are not to reach is out of reach. @throws Error when DNS cannot listen */
  async ready(node: Node): Promise<void> {
    const { client, clusterDNS } = this.#options
    const port = await this.#dns?.ready
    if (port !== undefined && clusterDNS !== undefined) await publishDns({ client, node, port, clusterIP: clusterDNS })
    await Promise.all([this.#pods.ready, this.#proxy.synced, this.#policies.synced])
  }

  /** Ends watching; what is in the kernel stays, so that pods go on. */
  async stop(): Promise<void> {
    await Promise.all([this.#pods, this.#proxy, this.#policies, this.#dns].map((part) => part?.stop()))
  }

  /** Takes everything out of the kernel. Call after {@link stop}, when no pod runs any more. */
  async remove(): Promise<void> {
    const { run } = this.#options
    const tables = families.flatMap((family) =>
      [proxyTable, policyTable, outboundTable].map((name) => `${family} ${name}`),
    )
    // Adding first: a table that is not there cannot be deleted.
    await run('nft', ['-f', '-'], tables.map((table) => `add table ${table}\ndelete table ${table}\n`).join(''))
    for (const flag of ['-4', '-6'])
      await run('ip', [flag, 'route', 'flush', 'proto', routeProtocol]).catch(() => undefined)
    await run('ip', ['link', 'delete', tunnelDevice]).catch(() => undefined)
  }
}
