import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { commandsIn, type RunCommand } from './commands.ts'
import type { PeerOrder } from './testing-peer.ts'

/** Networks of namespaces for tests and benchmarks: nodes on one bridge, pods behind nodes, real packets. Needs root and iproute2. */

/** Whether this machine can run tests with real packets; they are skipped where it cannot. */
export const canTestNetworks: boolean =
  process.getuid?.() === 0 &&
  ['ip', 'nft', 'conntrack', 'nsenter'].every((command) => spawnSync('which', [command]).status === 0) &&
  spawnSync('unshare', ['--net', 'nft', 'list', 'ruleset']).status === 0

let namespaces = 0

/** One namespace, with a process in it that serves and asks for tests. */
export class TestNamespace {
  readonly name: string
  readonly run: RunCommand
  #peer: ChildProcess | undefined
  #orders = 0
  readonly #answers = new Map<number, (answer: string) => void>()

  constructor() {
    this.name = `binnacle-${process.pid}-${namespaces++}`
    this.run = commandsIn(this.prefix)
  }

  /** What makes a command run in this namespace. `ip netns exec` would mount /sys anew. */
  get prefix(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.name}`]
  }

  /** Runs lines of `ip` in the namespace. */
  async ip(...lines: readonly string[]): Promise<void> {
    await this.run('ip', ['-batch', '-'], `${lines.join('\n')}\n`)
  }

  /** Answers on a port with a name and the client's address. */
  async serve(port: number, name: string, protocol: 'tcp' | 'udp' = 'tcp'): Promise<void> {
    const answer = await this.#tell({ op: 'serve', protocol, port, name })
    if (answer !== 'serving') throw new Error(`${this.name} cannot serve on ${port}: ${answer}`)
  }

  /** What the server at an address says, or `!` and an error code, `!timeout` when nobody answers. */
  ask(host: string, port: number, options: { protocol?: 'tcp' | 'udp'; localPort?: number; timeoutMs?: number } = {}) {
    return this.#tell({ op: 'ask', protocol: 'tcp', timeoutMs: 1_000, ...options, host, port })
  }

  /** Who answers in so many connections, sorted. */
  async whoAnswers(host: string, port: number, times = 30): Promise<string[]> {
    const answers = await Promise.all(Array.from({ length: times }, () => this.ask(host, port)))
    return [...new Set(answers.map((answer) => answer.split(' ')[0] ?? ''))].toSorted()
  }

  stop(): void {
    this.#peer?.stdin?.end()
    this.#peer?.kill()
  }

  #tell(order: PeerOrder): Promise<string> {
    const peer = (this.#peer ??= this.#startPeer())
    const id = this.#orders++
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#answers.set(id, resolve)
    peer.stdin?.write(`${JSON.stringify({ id, order })}\n`)
    return promise
  }

  #startPeer(): ChildProcess {
    const [file = '', ...args] = [...this.prefix, process.execPath, path.join(import.meta.dirname, 'testing-peer.ts')]
    const peer = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: peer.stdout }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: string }
      this.#answers.get(id)?.(answer)
      this.#answers.delete(id)
    })
    return peer
  }
}

/** A network of its own: a bridge in a namespace, nodes on it by their addresses, pods routed by their node. */
export class TestNetwork {
  readonly #all: TestNamespace[] = []
  readonly #host = commandsIn()
  #bridge: TestNamespace | undefined
  #links = 0

  /** A machine on the common wire, with addresses of 172.31.0.0/24 or 172.31.1.0/24, and fd31::/64. */
  async node(...addresses: readonly string[]): Promise<TestNamespace> {
    const bridge = (this.#bridge ??= await this.#makeBridge())
    const node = await this.namespace()
    const port = `p${this.#links++}`
    await this.#pair(bridge, port, node, 'eth0')
    await bridge.ip(`link set ${port} master br0 up`)
    await node.ip('link set lo up', 'link set eth0 up', ...addresses.map((address) => addressLine(address, 'eth0')))
    // The bridge is the router between the two networks, and the way to everything else.
    await node.ip(
      `route add default via ${addresses[0]?.startsWith('172.31.1.') === true ? '172.31.1.1' : '172.31.0.1'}`,
    )
    if (addresses.some((address) => address.includes(':'))) await node.ip('route add default via fd31::1')
    await node.run('sh', [
      '-c',
      'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
    ])
    return node
  }

  /** A pod of a node, wired as the ptp plugin wires it. */
  async pod(node: TestNamespace, ...addresses: readonly string[]): Promise<TestNamespace> {
    const pod = await this.namespace()
    const link = `v${this.#links++}`
    await this.#pair(node, link, pod, 'eth0')
    await pod.ip('link set lo up', 'link set eth0 up')
    await node.ip(`link set ${link} up`)
    for (const address of addresses) {
      const [gateway, bits, six] = address.includes(':') ? ['fe80::1', 128, '-6 '] : ['169.254.1.1', 32, '']
      const noDad = six === '' ? '' : ' nodad'
      await node.ip(`address add ${gateway}/${six === '' ? 32 : 64} dev ${link}${noDad}`)
      await node.ip(`route add ${address}/${bits} dev ${link}`)
      await pod.ip(`address add ${address}/${bits} dev eth0${noDad}`, `route add ${gateway}/${bits} dev eth0`)
      await pod.ip(`route add default via ${gateway} dev eth0`)
    }
    return pod
  }

  /** Ends every process in the network and removes it. */
  async close(): Promise<void> {
    for (const namespace of this.#all.toReversed()) {
      namespace.stop()
      await this.#host('ip', ['netns', 'delete', namespace.name])
    }
    this.#all.length = 0
  }

  async #makeBridge(): Promise<TestNamespace> {
    const bridge = await this.namespace()
    await bridge.ip('link set lo up', 'link add br0 type bridge', 'link set br0 up')
    await bridge.run('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    await bridge.ip(
      'address add 172.31.0.1/24 dev br0',
      'address add 172.31.1.1/24 dev br0',
      'address add fd31::1/64 dev br0 nodad',
    )
    return bridge
  }

  /** An empty namespace. */
  async namespace(): Promise<TestNamespace> {
    const namespace = new TestNamespace()
    await this.#host('ip', ['netns', 'add', namespace.name])
    this.#all.push(namespace)
    return namespace
  }

  async #pair(a: TestNamespace, nameA: string, b: TestNamespace, nameB: string): Promise<void> {
    await a.ip(`link add ${nameA} type veth peer name ${nameB} netns ${b.name}`)
  }
}

function addressLine(address: string, device: string): string {
  return `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`
}
