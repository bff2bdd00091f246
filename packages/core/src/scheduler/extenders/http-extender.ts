import type { Container } from '@binnacle/resources'
import { type NodeVictims, scoreMax } from '../framework.ts'
import type { SchedulableNode, SchedulablePod } from '../scheduled-objects.ts'
import {
  checkBindingAnswer,
  type FilterAnswer,
  filterAnswer,
  type NamedVictims,
  preemptionAnswer,
  scoresAnswer,
} from './extender-answers.ts'
import type { ExtenderConfiguration } from './extender-configuration.ts'
import { ExtenderConnection } from './extender-connection.ts'

/** Extenders score from 0 to this (`MaxExtenderPriority`). */
const extenderScoreMax = 10

/** A webhook that has a say in decisions, by the protocol of k8s.io/kube-scheduler/extender/v1 (kube-scheduler `HTTPExtender`). */
export class HttpExtender {
  readonly #configuration: ExtenderConfiguration
  readonly #connection: ExtenderConnection
  readonly #managed: ReadonlySet<string>

  /** @throws Error when what is to secure the connection cannot be used */
  constructor(configuration: ExtenderConfiguration) {
    this.#configuration = configuration
    this.#connection = new ExtenderConnection(configuration)
    this.#managed = new Set(configuration.managedResources.map(({ name }) => name))
  }

  /** Where it listens. */
  get name(): string {
    return this.#configuration.urlPrefix
  }

  /** When it fails, pods are scheduled without it. */
  get isIgnorable(): boolean {
    return this.#configuration.ignorable
  }

  /** It binds pods in the scheduler's place. */
  get isBinder(): boolean {
    return this.#configuration.bindVerb !== ''
  }

  /** It is asked about nodes or victims, not only to bind. */
  get hasSayInDecisions(): boolean {
    const { filterVerb, prioritizeVerb } = this.#configuration
    return filterVerb !== '' || prioritizeVerb !== '' || this.hasSayInPreemption
  }

  /** It is asked which victims of preemption it agrees to. */
  get hasSayInPreemption(): boolean {
    return this.#configuration.preemptVerb !== ''
  }

  /** True when the pod asks for a resource that the extender manages, or when it manages none in particular. */
  isInterestedIn({ spec }: SchedulablePod): boolean {
    if (this.#managed.size === 0) return true
    return spec.containers.some(this.#asksForManaged) || (spec.initContainers ?? []).some(this.#asksForManaged)
  }

  readonly #asksForManaged = ({ resources }: Container): boolean =>
    [resources?.requests, resources?.limits].some((amounts) =>
      Object.keys(amounts ?? {}).some((name) => this.#managed.has(name)),
    )

  /** Which of the nodes can take the pod. @throws Error when it fails, or names a node that it was not asked about */
  async filter(pod: SchedulablePod, nodes: readonly SchedulableNode[], signal: AbortSignal): Promise<FilterAnswer> {
    const { filterVerb, nodeCacheCapable } = this.#configuration
    if (filterVerb === '')
      return { nodeNames: nodes.map(({ metadata }) => metadata.name), failed: new Map(), unresolvable: new Map() }
    const answer = await this.#connection.post(filterVerb, this.#question(pod, nodes), signal)
    const { nodeNames, failed, unresolvable } = filterAnswer(answer, nodeCacheCapable)
    const known = new Set(nodes.map(({ metadata }) => metadata.name))
    const stranger = nodeNames?.find((name) => !known.has(name))
    if (stranger !== undefined)
      throw new Error(
        `extender "${this.name}" claims a filtered node "${stranger}" which is not found in the input node list`,
      )
    return { nodeNames, failed, unresolvable }
  }

  /** How well the nodes suit the pod, by node, to be added to the scheduler's own scores. @throws Error when it fails */
  async prioritize(
    pod: SchedulablePod,
    nodes: readonly SchedulableNode[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, number>> {
    const { prioritizeVerb, weight } = this.#configuration
    if (prioritizeVerb === '') return new Map()
    const scores = scoresAnswer(await this.#connection.post(prioritizeVerb, this.#question(pod, nodes), signal))
    const factor = weight * (scoreMax / extenderScoreMax)
    return new Map([...scores].map(([nodeName, score]) => [nodeName, score * factor]))
  }

  /** Which victims it agrees to, by node. @throws Error when it fails */
  async preempt(
    pod: SchedulablePod,
    victims: ReadonlyMap<string, NodeVictims>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, NamedVictims>> {
    const { preemptVerb, nodeCacheCapable } = this.#configuration
    const byNode = (podOf: (victim: SchedulablePod) => unknown): Record<string, unknown> =>
      Object.fromEntries(
        [...victims].map(([nodeName, { pods, violations }]) => [
          nodeName,
          { Pods: pods.map(podOf), NumPDBViolations: violations },
        ]),
      )
    const question = {
      Pod: pod,
      NodeNameToVictims: nodeCacheCapable ? null : byNode((victim) => victim),
      NodeNameToMetaVictims: nodeCacheCapable ? byNode(({ metadata }) => ({ UID: metadata.uid ?? '' })) : null,
    }
    return preemptionAnswer(await this.#connection.post(preemptVerb, question, signal))
  }

  /** Has it bind the pod. @throws Error when it fails */
  async bind({ metadata }: SchedulablePod, nodeName: string, signal: AbortSignal): Promise<void> {
    const question = {
      PodName: metadata.name,
      PodNamespace: metadata.namespace ?? '',
      PodUID: metadata.uid ?? '',
      Node: nodeName,
    }
    checkBindingAnswer(await this.#connection.post(this.#configuration.bindVerb, question, signal))
  }

  /** Closes the connections that are idle. */
  close(): void {
    this.#connection.close()
  }

  #question(pod: SchedulablePod, nodes: readonly SchedulableNode[]): Readonly<Record<string, unknown>> {
    return this.#configuration.nodeCacheCapable
      ? { Pod: pod, Nodes: null, NodeNames: nodes.map(({ metadata }) => metadata.name) }
      : { Pod: pod, Nodes: { metadata: {}, items: nodes }, NodeNames: null }
  }
}
