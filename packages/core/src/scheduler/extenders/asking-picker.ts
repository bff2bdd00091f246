import type { Log } from '../../controller.ts'
import type { Profile } from '../framework.ts'
import type { QueuedPod } from '../queue.ts'
import type { Decision, NodePicker } from '../schedule-one.ts'
import type { Extenders } from './extenders.ts'
import type { HttpExtender } from './http-extender.ts'

/** How often a decision begins anew because the nodes that extenders agreed to fit no more. */
const triesMax = 5
const noScores: ReadonlyMap<string, number> = new Map()

/**
 * Chooses a node for one pod with the extenders' say: filter, ask who filters, ask who scores, score, pick. While an answer is awaited the cluster
 * may change, but no other pod is decided on; nodes are known by name over that time, and filtered once more before one is taken.
 */
export class AskingPicker {
  readonly #picker: NodePicker
  readonly #extenders: Extenders
  readonly #log: Log

  constructor(picker: NodePicker, extenders: Extenders, log: Log) {
    this.#picker = picker
    this.#extenders = extenders
    this.#log = log
  }

  /** Decides where the pod goes. @throws Error when an extender fails that must not; the signal's reason when that ends the decision */
  async pick(
    queued: Readonly<QueuedPod>,
    profile: Profile,
    extenders: readonly HttpExtender[],
    signal: AbortSignal,
  ): Promise<Decision> {
    const promised = await this.#promised(queued, profile, extenders, signal)
    if (promised !== undefined) return promised
    for (let tries = 1; tries <= triesMax; tries++) {
      const found = this.#picker.search(queued.pod, queued.shape, profile)
      if (found.kind !== 'found') return found
      const { nodeNames, verdicts } = await this.#extenders.filter(extenders, queued.pod, found.nodeNames, signal)
      if (nodeNames.length === 0) return this.#picker.explain(queued.pod, queued.shape, profile, found, verdicts)
      const scores =
        nodeNames.length === 1 ? noScores : await this.#extenders.prioritize(extenders, queued.pod, nodeNames, signal)
      const decision = this.#picker.chooseAmong(queued.pod, queued.shape, profile, nodeNames, scores)
      if (decision !== undefined) return decision
    }
    throw new Error('the nodes that extenders agreed to have changed again and again')
  }

  /** The node that the pod is promised, where everybody agrees to it. */
  async #promised(
    queued: Readonly<QueuedPod>,
    profile: Profile,
    extenders: readonly HttpExtender[],
    signal: AbortSignal,
  ): Promise<Decision | undefined> {
    const nodeName = this.#picker.promisedNode(queued.pod, queued.shape, profile)
    if (nodeName === undefined) return undefined
    try {
      const { nodeNames } = await this.#extenders.filter(extenders, queued.pod, [nodeName], signal)
      return this.#picker.chooseAmong(queued.pod, queued.shape, profile, nodeNames, noScores)
    } catch (error) {
      signal.throwIfAborted()
      const { message } = error as Error
      this.#log('error', 'evaluation failed on nominated node', { node: nodeName, error: message })
      return undefined
    }
  }
}
