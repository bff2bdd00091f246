import { type Client, Informer } from '@binnacle/client'
import { type Node, nodes } from '@binnacle/resources'
import type { Log } from '../log.ts'
import { familyOf } from '../network/addresses.ts'
import type { RunCommand } from '../network/commands.ts'
import { NftTables } from '../network/nft-tables.ts'
import { TableLoop } from '../network/table-loop.ts'
import { writeCniConf } from './conf.ts'
import {
  internalAddresses,
  outboundElements,
  outboundSkeleton,
  outboundTable,
  type OwnAddress,
  planRoutes,
  podCIDRsOf,
  type RoutePlan,
  tunnelDevice,
} from './plan.ts'

/** What the pod network of a node is given. */
export interface PodNetworkOptions {
  readonly client: Client
  readonly nodeName: string
  /** The ranges of all pods of the cluster. */
  readonly clusterCIDRs: readonly string[]
  /** Where the runtime looks for CNI configurations. */
  readonly confDir: string
  /** Where host-local keeps the addresses that it gave out. */
  readonly ipamDir: string
  /** Runs `ip`, `bridge` and `nft` in the node's network. */
  readonly run: RunCommand
  readonly log: Log
}

/** A pod network that is kept. */
export interface PodNetwork {
  /** Resolves when the node has its range, its configuration and the routes to the nodes that are known then. */
  readonly ready: Promise<void>
  /** Ends watching; routes stay, so that pods go on. */
  stop(): Promise<void>
}

/** Marks our routes among others' (rtnetlink's `protocol`). */
export const routeProtocol = '77'
const tunnelId = 1
const tunnelPort = 8472
/** What the tunnel's headers take of each packet; pods leave room for them, since any node may be behind a tunnel. */
const tunnelBytes = { ip: 50, ip6: 70 }
/** Routes are looked at again this often, and sooner after an error. */
const checkMs = 60_000
const retryMs = 2_000
const smallestMtu = 1_280

/** Gives the node's pods their network: the runtime's configuration, routes to the pods of other nodes, and the way out of the cluster. */
export function startPodNetwork(options: PodNetworkOptions): PodNetwork {
  const { client, log, run } = options
  const informer = new Informer(client, nodes, {}, (error) =>
    log('warn', 'the pod network cannot watch nodes', { error: String(error) }),
  )
  const ready = Promise.withResolvers<void>()
  let outbound: TableLoop | undefined
  let running: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const later = (ms: number): void => {
    clearTimeout(timer)
    if (!isStopped) timer = setTimeout(schedule, ms).unref()
  }
  const bring = async (): Promise<void> => {
    const self = informer.get({ namespace: '', name: options.nodeName })
    if (isStopped || self === undefined || podCIDRsOf(self).length === 0) return
    try {
      await bringUp(options, self, [...informer.all()])
      outbound ??= startOutbound(options, self, informer)
      outbound.schedule()
      await outbound.synced
      ready.resolve()
      later(checkMs)
    } catch (error) {
      log('error', 'cannot bring up the pod network', { error: String(error) })
      later(retryMs)
    }
  }
  const schedule = (): void => {
    running = running.then(bring)
  }
  // Heartbeats change nodes all the time; what matters here seldom does.
  informer.addHandler({ onBatch: oncePerChange(() => networkOf(informer.all()), schedule) })
  informer.start()
  void run('sh', ['-c', forwarding]).catch((error: unknown) =>
    log('error', 'cannot turn on forwarding', { error: String(error) }),
  )
  return {
    ready: ready.promise,
    async stop() {
      isStopped = true
      clearTimeout(timer)
      informer.stop()
      await running
      await outbound?.stop()
    },
  }
}

const forwarding =
  'echo 1 > /proc/sys/net/ipv4/ip_forward; f=/proc/sys/net/ipv6/conf/all/forwarding; [ ! -e $f ] || echo 1 > $f'

function networkOf(all: Iterable<Node>): string {
  return JSON.stringify([...all].map((node) => [node.metadata.name, podCIDRsOf(node), internalAddresses(node)]))
}

function oncePerChange(state: () => string, act: () => void): () => void {
  let before = ''
  return () => {
    const now = state()
    if (now === before) return
    before = now
    act()
  }
}

async function bringUp(options: PodNetworkOptions, self: Node, all: readonly Node[]): Promise<void> {
  const { run, confDir, ipamDir, nodeName, log } = options
  const links = JSON.parse(await run('ip', ['-json', 'address', 'show'])) as Link[]
  const own = links.flatMap(({ ifname, addr_info: infos }): OwnAddress[] =>
    ifname === tunnelDevice
      ? []
      : infos.map(({ local, prefixlen }) => ({ address: local, prefixLength: prefixlen, device: ifname })),
  )
  const [nodeAddress = ''] = internalAddresses(self)
  const uplink = links.find(({ addr_info: infos }) => infos.some(({ local }) => local === nodeAddress))
  const mtu = Math.max(smallestMtu, (uplink?.mtu ?? 1500) - tunnelBytes[familyOf(nodeAddress)])
  const isOurs = await writeCniConf(confDir, { nodeName, podCIDRs: podCIDRsOf(self), mtu, dataDir: ipamDir })
  // Another network plugin brings its own routes.
  if (!isOurs) return log('info', 'pods use the CNI configuration that was found', { folder: confDir })
  const plan = planRoutes(self, all, own)
  await bringUpTunnel(run, plan, mtu)
  await bringUpRoutes(run, plan)
}

interface Link {
  readonly ifname: string
  readonly mtu: number
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[]
}

async function bringUpTunnel(run: RunCommand, { tunnel, tunnelEnds }: RoutePlan, mtu: number): Promise<void> {
  if (tunnel === undefined) return
  const exists = await run('ip', ['link', 'show', tunnelDevice]).then(
    () => true,
    () => false,
  )
  const kind = `type vxlan id ${tunnelId} local ${tunnel.nodeAddress} dstport ${tunnelPort} nolearning`
  const lines = [
    ...(exists ? [] : [`link add ${tunnelDevice} address ${tunnel.mac} mtu ${mtu} ${kind}`]),
    `link set ${tunnelDevice} up`,
    ...tunnel.addresses.map((address) => `address replace ${address} dev ${tunnelDevice}`),
    ...tunnelEnds.map(
      ({ address, mac }) => `neighbour replace ${address} lladdr ${mac} dev ${tunnelDevice} nud permanent`,
    ),
  ]
  await run('ip', ['-batch', '-'], `${lines.join('\n')}\n`)
  const ends = tunnelEnds.map(({ mac, nodeAddress }) => `fdb replace ${mac} dev ${tunnelDevice} dst ${nodeAddress}`)
  await run('bridge', ['-batch', '-'], `${[...new Set(ends)].join('\n')}\n`)
}

/** Adds and changes routes before it removes those of nodes that are gone: packets of others never miss theirs. */
async function bringUpRoutes(run: RunCommand, { routes }: RoutePlan): Promise<void> {
  for (const family of ['ip', 'ip6'] as const) {
    const flag = family === 'ip' ? '-4' : '-6'
    const text = await run('ip', [flag, '-json', 'route', 'show', 'proto', routeProtocol])
    const found = JSON.parse(text === '' ? '[]' : text) as { dst: string; gateway?: string; dev: string }[]
    const wanted = routes.filter((route) => route.family === family)
    const isThere = ({ destination, via, device }: (typeof wanted)[number]): boolean =>
      found.some(({ dst, gateway, dev }) => dst === destination && gateway === via && dev === device)
    const lines = [
      ...wanted
        .filter((route) => !isThere(route))
        .map(
          ({ destination, via, device }) =>
            `route replace ${destination} via ${via} dev ${device} onlink proto ${routeProtocol}`,
        ),
      ...found
        .filter(({ dst }) => !wanted.some(({ destination }) => destination === dst))
        .map(({ dst }) => `route del ${dst} proto ${routeProtocol}`),
    ]
    if (lines.length > 0) await run('ip', [flag, '-batch', '-'], `${lines.join('\n')}\n`)
  }
}

function startOutbound({ clusterCIDRs, run, log }: PodNetworkOptions, self: Node, informer: Informer<Node>): TableLoop {
  const podCIDRs = podCIDRsOf(self)
  const everyPod = clusterCIDRs.length > 0 ? clusterCIDRs : podCIDRs
  const tables = new NftTables({
    table: outboundTable,
    skeleton: (family) => outboundSkeleton(family, podCIDRs, everyPod),
  })
  const loop = new TableLoop({
    tables,
    run,
    log,
    prepare: () =>
      tables.put('nodes', { elements: outboundElements(informer.all()), chains: new Map(), sets: new Map() }),
    isPlanned: (object) => object === 'nodes',
  })
  loop.start()
  return loop
}
