import type { KubernetesObject } from '@binnacle/apimachinery'
import { type ExtensibleRegistry, type Pod, pods, type ResourceDefinition } from '@binnacle/resources'
import { FakeCluster } from '@binnacle/testing'
import { vi } from 'vitest'
import type { Controller, Runnable } from '../controller.ts'
import { Manager } from '../manager.ts'

/** How long nothing has to happen before a bench counts as settled, in fake milliseconds: longer than events wait to be written. */
const quietMs = 100
const stepMs = 5
const settleMsMax = 120_000

/** What a bench runs. */
export interface BenchOptions {
  /** A function makes them anew for each start, so that nothing that they remember survives a stop. */
  readonly controllers: readonly Controller[] | (() => readonly Controller[])
  readonly runnables?: readonly Runnable[] | (() => readonly Runnable[])
  /** Gets the custom kinds that the cluster defines; the same that the controllers are made with. */
  readonly registry?: ExtensibleRegistry
  readonly holdWatches?: boolean
  /** Held watches only: decides at each step of time what is delivered. Without it nothing is until the test says so. */
  deliver?(cluster: FakeCluster): void
  /** Called at each step of time: what must hold always can be checked here. */
  onStep?(cluster: FakeCluster): void
  /** Called when controllers that were killed have been replaced, before the new ones start. */
  onRestart?(cluster: FakeCluster): void
}

/** Controllers under their real manager over a cluster in memory, in time that only the test moves: call `vi.useFakeTimers()` before. */
export class ControllerBench {
  readonly cluster: FakeCluster
  readonly #options: BenchOptions
  #manager: Manager

  constructor(options: BenchOptions) {
    this.#options = options
    const holdWatches = options.holdWatches ?? false
    this.cluster = new FakeCluster({ clock: { nowMs: () => Date.now() }, holdWatches })
    this.#manager = this.#newManager()
  }

  /** Starts the controllers on what has been seeded, and lets them finish. */
  async start(): Promise<void> {
    await this.#startManager()
    await this.settle()
  }

  /** Stops the controllers. What they remember is lost, as when their process ends, where the bench makes them by a function. */
  async stop(): Promise<void> {
    await this.#manager.stop()
    this.#manager = this.#newManager()
  }

  /** Lets time pass until nothing is queued, under way or waiting to be delivered. @throws Error when that never comes */
  async settle(): Promise<void> {
    let quiet = 0
    let writes = this.cluster.writes.length
    for (let waited = 0; quiet < quietMs; waited += stepMs) {
      if (waited > settleMsMax) throw new Error('the controllers never come to rest')
      await vi.advanceTimersByTimeAsync(stepMs)
      if (this.cluster.isCutOff) await this.#restart()
      this.#deliver()
      this.#options.onStep?.(this.cluster)
      const isBehind = this.#options.deliver !== undefined && this.cluster.waitingEvents > 0
      const busy = Object.values(this.#manager.figures).some((queue) => queue.depth > 0 || queue.processing > 0)
      quiet = busy || isBehind || this.cluster.writes.length !== writes ? 0 : quiet + stepMs
      writes = this.cluster.writes.length
    }
  }

  /** Moves time on, and lets what that sets off finish. */
  async pass(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
    await this.settle()
  }

  /** Writes other than Events from here on; call it for a mark, and the function it gives for the writes since. */
  writesFromHere(): () => string[] {
    const from = this.cluster.writes.length
    return () =>
      this.cluster.writes
        .slice(from)
        .filter((write) => write.resource !== 'events')
        .map((write) => `${write.verb} ${write.resource} ${write.key} ${write.subresource ?? ''}`.trim())
  }

  /** The one object of a resource. @throws Error when there is another number of them */
  only<T extends KubernetesObject>(resource: ResourceDefinition<T>): T {
    const found = this.cluster.all(resource)
    if (found.length !== 1) throw new Error(`${found.length} ${resource.plural} instead of one`)
    return found[0] as T
  }

  /** Does a node agent's work: what is to go goes, what is there runs and is ready. */
  runPods(isReady: (pod: Pod) => boolean = () => true): void {
    for (const pod of this.cluster.all(pods)) runPod(this.cluster, pod, isReady(pod))
  }

  #deliver(): void {
    if (this.#options.holdWatches !== true) this.cluster.deliver()
    else this.#options.deliver?.(this.cluster)
  }

  // Somebody has killed the controllers by FakeCluster.cutOffAfter: what they still have under way fails, and others take over.
  async #restart(): Promise<void> {
    await this.#whileTimePasses(this.stop(), () => false)
    this.cluster.reconnect()
    this.#options.onRestart?.(this.cluster)
    await this.#startManager()
  }

  // A manager that is killed while it starts never gets there.
  async #startManager(): Promise<void> {
    await this.#whileTimePasses(this.#manager.start(), () => this.cluster.isCutOff)
  }

  async #whileTimePasses(work: Promise<void>, isHopeless: () => boolean): Promise<void> {
    const over = work.then(() => true)
    while (!isHopeless()) {
      const step = vi.advanceTimersByTimeAsync(stepMs).then(() => false)
      if (await Promise.race([over, step])) return
      this.#deliver()
    }
  }

  #newManager(): Manager {
    const { controllers, runnables = [], registry } = this.#options
    return new Manager({
      client: this.cluster,
      log: () => undefined,
      controllers: typeof controllers === 'function' ? controllers() : controllers,
      runnables: typeof runnables === 'function' ? runnables() : runnables,
      ...(registry === undefined ? {} : { registry }),
    })
  }
}

let addresses = 0

/** Ends a pod that is being deleted; gives any other a node, an address and the Ready condition. */
export function runPod(cluster: FakeCluster, pod: Pod, ready: boolean): void {
  const key = { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name }
  if (pod.metadata.deletionTimestamp !== undefined) return cluster.remove(pods, key)
  const status = ready ? 'True' : 'False'
  if (pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status === status) return
  const podIP = pod.status?.podIP ?? `10.0.${Math.floor(addresses / 250)}.${(addresses++ % 250) + 1}`
  cluster.change(pods, key, (changed) => {
    changed.spec = { ...changed.spec, nodeName: changed.spec?.nodeName ?? 'node-1' } as NonNullable<Pod['spec']>
    const lastTransitionTime = new Date(Date.now()).toISOString().replace(/\.\d+/, '')
    changed.status = {
      ...changed.status,
      phase: 'Running',
      podIP,
      podIPs: [{ ip: podIP }],
      conditions: [{ type: 'Ready', status, lastTransitionTime }],
    }
  })
}
