import { CommandError, type RunCommand } from '../network/commands.ts'
import type { Family } from '../network/addresses.ts'
import type { DatagramFrontend } from './plan.ts'

/** A UDP flow that the kernel remembers: who sent to which address, and who it takes answers from. */
export interface Flow {
  readonly family: Family
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly answerFrom: string
  readonly answerPort: number
}

/** Reads what `conntrack -L` prints. Lines of other forms are left out. */
export function parseFlows(text: string, family: Family): Flow[] {
  const flows: Flow[] = []
  for (const line of text.split('\n')) {
    const [source, answerTo] = [...line.matchAll(/src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g)]
    if (source === undefined || answerTo === undefined) continue
    flows.push({
      family,
      source: source[1] ?? '',
      destination: source[2] ?? '',
      sourcePort: Number(source[3]),
      destinationPort: Number(source[4]),
      answerFrom: answerTo[1] ?? '',
      answerPort: Number(answerTo[3]),
    })
  }
  return flows
}

/**
 * The flows that would go on to somebody who no longer stands behind the address, or to nobody since there was nobody when they began (kube-proxy
 * `CleanStaleEntries`). A UDP client that keeps its port would never get a new endpoint otherwise.
 */
export function staleFlows(
  flows: readonly Flow[],
  frontends: readonly DatagramFrontend[],
  nodeAddresses: readonly string[],
): Flow[] {
  const behind = new Map<string, ReadonlySet<string>>()
  for (const { family, address, port, endpoints } of frontends)
    behind.set(`${family} ${address ?? ''} ${port}`, endpoints)
  return flows.filter(({ family, destination, destinationPort, answerFrom, answerPort }) => {
    const endpoints =
      behind.get(`${family} ${destination} ${destinationPort}`) ??
      (nodeAddresses.includes(destination) ? behind.get(`${family}  ${destinationPort}`) : undefined)
    if (endpoints === undefined) return false
    // With nobody there, a flow that still has its destination harms nobody: its packets are refused one by one.
    return endpoints.size === 0 ? answerFrom !== destination : !endpoints.has(`${answerFrom} ${answerPort}`)
  })
}

/** Cuts stale UDP flows. Where `conntrack` is not installed they end by themselves, half a minute after the last packet. */
export async function cleanConntrack(
  run: RunCommand,
  frontends: readonly DatagramFrontend[],
  nodeAddresses: readonly string[],
): Promise<void> {
  for (const family of new Set(frontends.map((frontend) => frontend.family))) {
    const kind = family === 'ip' ? 'ipv4' : 'ipv6'
    const flows = parseFlows(await run('conntrack', ['-L', '-p', 'udp', '-f', kind]), family)
    for (const flow of staleFlows(flows, frontends, nodeAddresses)) {
      const to = ['--orig-src', flow.source, '--orig-dst', flow.destination]
      const ports = ['--orig-port-src', String(flow.sourcePort), '--orig-port-dst', String(flow.destinationPort)]
      // Ends with 1 when the flow has gone by itself meanwhile.
      await run('conntrack', ['-D', '-p', 'udp', '-f', kind, ...to, ...ports]).catch(ignoreExit)
    }
  }
}

function ignoreExit(error: unknown): void {
  if (!(error instanceof CommandError)) throw error
}
