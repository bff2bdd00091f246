import type { Client } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import { PodAddresses } from './addresses.ts'
import { publishDevices } from './device-slices.ts'
import { NodeHeartbeat } from './node-heartbeat.ts'
import { NodeUsageReport } from './node-usage.ts'
import { registerNodes, type NodeResources } from './node-registration.ts'
import type { Pod } from './pod.ts'
import { hasUsage } from './pod-usage.ts'
import { PodRunner, type PodRunnerEnvironment } from './pod-runner.ts'
import type { ContainerEvent } from './simulated-container.ts'
import { SimulatedPod } from './simulated-pod.ts'
import type { SimulationOptions } from './simulation-options.ts'
import { Timeline, type Time } from './timeline.ts'
import { WriteBatcher } from './write-batcher.ts'

/** What simulated nodes need around them. */
export interface SimulationEnvironment {
  readonly client: Client
  readonly resources: NodeResources & {
    readonly pods: ResourceDefinition<any>
    readonly resourceSlices: ResourceDefinition<any>
    readonly nodeUsages: ResourceDefinition<any>
  }
  readonly time: Time
  /** A number from 0 to below 1. */
  random(): number
  recordEvent(pod: Pod, event: ContainerEvent & { readonly nodeName: string }): void
  logError(message: string, fields: Readonly<Record<string, unknown>>): void
}

interface SimulatedNode {
  readonly name: string
  readonly hostIP: string
  readonly addresses: PodAddresses
  readonly usage: NodeUsageReport
}

/**
 * Many nodes without containers in one process: registers them, keeps their leases, and plays a kubelet to the pods bound to them.
 * Told of pods by {@link podChanged} and {@link podDeleted}.
 */
export class SimulatedNodes {
  readonly #environment: SimulationEnvironment
  readonly #options: SimulationOptions
  readonly #timeline: Timeline
  readonly #batcher: WriteBatcher
  readonly #nodes = new Map<string, SimulatedNode>()
  readonly #runners = new Map<string, PodRunner>()
  readonly #runnerEnvironment: PodRunnerEnvironment
  readonly #ordinaryEvents: EventBudget

  constructor(environment: SimulationEnvironment, options: SimulationOptions) {
    const { time } = environment
    this.#environment = environment
    this.#options = options
    this.#timeline = new Timeline(time)
    this.#batcher = new WriteBatcher(environment.client, (callback, afterMs) => time.setTimer(callback, afterMs))
    this.#ordinaryEvents = new EventBudget(options.eventsPerSecondMax, time)
    this.#runnerEnvironment = {
      pods: environment.resources.pods,
      timeline: this.#timeline,
      batcher: this.#batcher,
      nowMs: () => time.nowMs(),
      tell: (pod, event) => this.#tell(pod, event),
      logError: (message, fields) => environment.logError(message, fields),
    }
  }

  /** Pods that have something to do or to wait for. */
  get podCount(): number {
    return this.#runners.size
  }

  /** Registers the nodes and begins their heartbeats. Call before telling of pods. */
  async register(): Promise<void> {
    const { client, resources, time } = this.#environment
    const nowMs = time.nowMs()
    const registered = await registerNodes(client, resources, this.#options, nowMs)
    await publishDevices(client, resources.resourceSlices, registered, this.#options.devices)
    for (const { identity, uid, readySinceMs } of registered) {
      const { name, address, podCIDR } = identity
      const environment = { ...this.#runnerEnvironment, ...resources, random: () => this.#environment.random() }
      const usage = new NodeUsageReport(environment, { name, uid }, { always: this.#options.usageShare > 0 })
      this.#nodes.set(name, { name, hostIP: address, addresses: new PodAddresses(podCIDR), usage })
      new NodeHeartbeat(environment, identity, uid, { renewedAtMs: nowMs, readySinceMs }).start()
    }
  }

  /** A pod came or changed. Pods of other nodes are not looked at. */
  podChanged(pod: Pod): void {
    const node = this.#nodes.get(pod.spec.nodeName ?? '')
    if (node === undefined) return
    const uid = pod.metadata.uid ?? ''
    const runner = this.#runners.get(uid)
    if (runner !== undefined) runner.update(pod)
    else this.#takeUp(uid, pod, node)
    if (hasUsage(pod)) node.usage.wake()
  }

  /** A pod is gone. */
  podDeleted(pod: Pod): void {
    const uid = pod.metadata.uid ?? ''
    const runner = this.#runners.get(uid)
    const node = this.#nodes.get(pod.spec.nodeName ?? '')
    runner?.end()
    this.#runners.delete(uid)
    if (runner !== undefined) node?.usage.pods.delete(runner)
    const address = runner?.ownAddress ?? pod.status?.podIP
    if (address !== undefined) node?.addresses.release(address)
  }

  /** Resolves once everything that there is to write is written. */
  idle(): Promise<void> {
    return this.#batcher.idle()
  }

  /** Ends heartbeats and pods' lives here; nodes and pods stay as they are in the cluster. */
  stop(): void {
    this.#timeline.stop()
    this.#batcher.stop()
  }

  #takeUp(uid: string, pod: Pod, node: SimulatedNode): void {
    const { phase, podIP } = pod.status ?? {}
    if (podIP !== undefined && pod.spec.hostNetwork !== true) node.addresses.keep(podIP)
    const isTerminal = phase === 'Succeeded' || phase === 'Failed'
    if (isTerminal && pod.metadata.deletionTimestamp === undefined) return
    const place = { hostIP: node.hostIP, takeAddress: () => node.addresses.take() }
    const { time } = this.#environment
    const simulated = new SimulatedPod(pod, place, this.#options, () => this.#environment.random(), time.nowMs())
    const runner = new PodRunner(this.#runnerEnvironment, simulated)
    this.#runners.set(uid, runner)
    node.usage.pods.add(runner)
    runner.start()
  }

  #tell(pod: Pod, event: ContainerEvent): void {
    if (event.type === 'Normal' && !this.#ordinaryEvents.take()) return
    this.#environment.recordEvent(pod, { ...event, nodeName: pod.spec.nodeName ?? '' })
  }
}

/** Lets through so many events a second, and twice as many at once. */
class EventBudget {
  readonly #perSecond: number
  readonly #time: Time
  #left: number
  #countedAtMs: number

  constructor(perSecond: number, time: Time) {
    this.#perSecond = perSecond
    this.#time = time
    this.#left = perSecond * 2
    this.#countedAtMs = time.nowMs()
  }

  take(): boolean {
    const nowMs = this.#time.nowMs()
    const earned = ((nowMs - this.#countedAtMs) / 1000) * this.#perSecond
    this.#left = Math.min(this.#perSecond * 2, this.#left + earned)
    this.#countedAtMs = nowMs
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
