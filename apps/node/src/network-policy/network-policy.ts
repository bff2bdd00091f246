import { type Client, Informer } from '@binnacle/client'
import { namespaces, networkPolicies, pods } from '@binnacle/resources'
import type { Log } from '../log.ts'
import type { RunCommand } from '../network/commands.ts'
import { NftTables } from '../network/nft-tables.ts'
import { TableLoop } from '../network/table-loop.ts'
import { planPolicies, policySkeleton, policyTable } from './plan.ts'

/** What the policies of a node need. */
export interface NetworkPolicyOptions {
  readonly client: Client
  readonly nodeName: string
  /** Runs `nft` in the node's network. */
  readonly run: RunCommand
  readonly log: Log
  /** How often the kernel's tables are compared with what is wanted. Default: 5 minutes. */
  readonly checkMs?: number
}

/** NetworkPolicies that are in force. */
export interface RunningNetworkPolicies {
  /** Resolves when the kernel first has every policy that there was at the start: pods wait for it. */
  readonly synced: Promise<void>
  /** Ends watching; what is in force stays. */
  stop(): Promise<void>
}

/** Keeps the node's nftables equal to what NetworkPolicies allow its pods. */
export function startNetworkPolicies(options: NetworkPolicyOptions): RunningNetworkPolicies {
  const { client, nodeName, run, log, checkMs } = options
  const onError = (error: unknown): void => log('warn', 'network policies cannot watch', { error: String(error) })
  const policies = new Informer(client, networkPolicies, {}, onError)
  const allPods = new Informer(client, pods, {}, onError)
  const allNamespaces = new Informer(client, namespaces, {}, onError)
  const tables = new NftTables({ table: policyTable, skeleton: policySkeleton })
  const loop = new TableLoop({
    tables,
    run,
    log,
    checkMs,
    isPlanned: () => true,
    prepare: () =>
      tables.put(
        'policies',
        planPolicies({ nodeName, policies: policies.all(), pods: allPods.all(), namespaces: allNamespaces.all() }),
      ),
  })
  const informers: readonly Informer<any>[] = [policies, allPods, allNamespaces]
  for (const informer of informers) {
    informer.addHandler({ onBatch: () => loop.schedule() })
    informer.start()
  }
  void Promise.all(informers.map(({ synced }) => synced)).then(() => loop.start())
  return {
    synced: loop.synced,
    async stop() {
      for (const informer of informers) informer.stop()
      await loop.stop()
    },
  }
}
