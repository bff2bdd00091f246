import type { Log } from '../../controller.ts'
import type { ClusterState } from '../cluster-state.ts'
import type { BindPlugin, NodeVictims } from '../framework.ts'
import type { SchedulableNode, SchedulablePod } from '../scheduled-objects.ts'
import type { OutsideVerdict } from '../schedule-one.ts'
import type { NamedVictims } from './extender-answers.ts'
import type { ExtenderConfiguration } from './extender-configuration.ts'
import { HttpExtender } from './http-extender.ts'

/** Nodes that extenders agree to, and what they said of others. */
export interface PassedNodes {
  readonly nodeNames: readonly string[]
  readonly verdicts: ReadonlyMap<string, OutsideVerdict>
}

/** All extenders of a scheduler, those that may fail last. */
export class Extenders {
  readonly #all: readonly HttpExtender[]
  readonly #cluster: ClusterState
  readonly #log: Log

  /** @throws Error when the connection to one cannot be secured as the configuration says */
  constructor(configurations: readonly ExtenderConfiguration[], cluster: ClusterState, log: Log) {
    const isLast = ({ ignorable }: ExtenderConfiguration): number => (ignorable ? 1 : 0)
    this.#all = configurations.toSorted((a, b) => isLast(a) - isLast(b)).map((c) => new HttpExtender(c))
    this.#cluster = cluster
    this.#log = log
  }

  /** Those that are to be asked about the pod's nodes; undefined where there are none, as for most pods. */
  interestedIn(pod: SchedulablePod): readonly HttpExtender[] | undefined {
    if (this.#all.length === 0) return undefined
    const interested = this.#all.filter((e) => e.hasSayInDecisions && e.isInterestedIn(pod))
    return interested.length === 0 ? undefined : interested
  }

  /** Binds pods by the extender that does so; undefined where none does. */
  get binder(): BindPlugin | undefined {
    const binder = this.#all.find(({ isBinder }) => isBinder)
    if (binder === undefined) return undefined
    return {
      name: '',
      bind: ({ pod, nodeName }, signal) =>
        binder.isInterestedIn(pod) ? this.#bind(binder, pod, nodeName, signal()) : 'skip',
    }
  }

  async #bind(
    binder: HttpExtender,
    pod: SchedulablePod,
    nodeName: string,
    signal: AbortSignal,
  ): Promise<'bound' | 'skip'> {
    try {
      await binder.bind(pod, nodeName, signal)
      return 'bound'
    } catch (error) {
      this.#skip(binder, 'bind', error, signal)
      return 'skip'
    }
  }

  /** Asks one extender after the other which nodes can take the pod. @throws Error when one fails that must not */
  async filter(
    extenders: readonly HttpExtender[],
    pod: SchedulablePod,
    nodeNames: readonly string[],
    signal: AbortSignal,
  ): Promise<PassedNodes> {
    const verdicts = new Map<string, OutsideVerdict>()
    let left = nodeNames
    for (const extender of extenders) {
      const nodes = this.#nodesOf(left)
      if (nodes.length === 0) break
      try {
        const answer = await extender.filter(pod, nodes, signal)
        for (const [nodeName, reason] of answer.failed) verdicts.set(nodeName, { reason, mayYield: true })
        for (const [nodeName, reason] of answer.unresolvable) verdicts.set(nodeName, { reason, mayYield: false })
        left = answer.nodeNames ?? []
      } catch (error) {
        this.#skip(extender, 'filter', error, signal)
      }
    }
    return { nodeNames: left, verdicts }
  }

  /** Asks all extenders at once how well the nodes suit the pod; those that fail have no say. */
  async prioritize(
    extenders: readonly HttpExtender[],
    pod: SchedulablePod,
    nodeNames: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, number>> {
    const nodes = this.#nodesOf(nodeNames)
    const totals = new Map<string, number>()
    const ask = async (extender: HttpExtender): Promise<void> => {
      try {
        for (const [nodeName, score] of await extender.prioritize(pod, nodes, signal))
          totals.set(nodeName, (totals.get(nodeName) ?? 0) + score)
      } catch (error) {
        signal.throwIfAborted()
        const { message } = error as Error
        this.#log('debug', 'an extender gives no scores', { extender: extender.name, error: message })
      }
    }
    await Promise.all(extenders.map(ask))
    return totals
  }

  /** Asks one extender after the other which victims it agrees to. @throws Error when one fails that must not */
  async review(
    extenders: readonly HttpExtender[],
    pod: SchedulablePod,
    victims: ReadonlyMap<string, NodeVictims>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, NodeVictims>> {
    let agreed = victims
    for (const extender of extenders) {
      if (!extender.hasSayInPreemption) continue
      if (agreed.size === 0) break
      try {
        agreed = this.#found(extender, await extender.preempt(pod, agreed, signal))
      } catch (error) {
        this.#skip(extender, 'preempt', error, signal)
        continue
      }
      agreed = withVictims(extender, agreed)
    }
    return agreed
  }

  /** Closes connections. */
  close(): void {
    for (const extender of this.#all) extender.close()
  }

  #nodesOf(nodeNames: readonly string[]): SchedulableNode[] {
    const { table } = this.#cluster
    return nodeNames.flatMap((name) => table.nodes[table.slotOf(name)] ?? [])
  }

  /** @throws Error when a victim is not where the extender says */
  #found(extender: HttpExtender, named: ReadonlyMap<string, NamedVictims>): ReadonlyMap<string, NodeVictims> {
    const { table } = this.#cluster
    const byNode = [...named].map(([nodeName, { uids, violations }]): [string, NodeVictims] => {
      const slot = table.slotOf(nodeName)
      if (slot < 0 || table.exists[slot] === 0) throw new Error(`nodeinfo not found for node name "${nodeName}"`)
      const pods = uids.map((uid) => {
        const placed = this.#cluster.placedPod(uid)
        if (placed?.slot === slot) return placed.pod
        throw new Error(
          `extender: ${extender.name} claims to preempt pod (UID: &{${uid}}) on node: ${nodeName}, but the pod is not found on that node`,
        )
      })
      return [nodeName, { pods, violations }]
    })
    return new Map(byNode)
  }

  /** Goes on without an extender that has failed. @throws the error when it must not fail, or when nobody waits for the answer any more */
  #skip(extender: HttpExtender, verb: string, error: unknown, signal: AbortSignal): void {
    if (!extender.isIgnorable || signal.aborted) throw error
    const { message } = error as Error
    this.#log('warn', 'an extender that may fail is left out', { extender: extender.name, verb, error: message })
  }
}

/** @throws Error when the extender has named a node without victims and must not fail */
function withVictims(
  extender: HttpExtender,
  agreed: ReadonlyMap<string, NodeVictims>,
): ReadonlyMap<string, NodeVictims> {
  const idle = [...agreed].find(([, { pods }]) => pods.length === 0)
  if (idle === undefined) return agreed
  if (!extender.isIgnorable) throw new Error(`expected at least one victim pod on node "${idle[0]}"`)
  return new Map([...agreed].filter(([, { pods }]) => pods.length > 0))
}
