import type { BatchWriter } from './batch-writer.ts'
import type { ClusterState } from './cluster-state.ts'
import type { BindPlugin, Cycle, Placement, PreBindPlugin, Profile, Rejection } from './framework.ts'
import type { QueuedPod } from './queue.ts'
import type { WaitingPods } from './waiting-pods.ts'

/** A pod that was not bound in the end, and why. */
export interface BindFailure {
  readonly queued: QueuedPod
  readonly nodeName: string
  /** Where it stopped: `Bind`, `PreBind` and so on, with the plugin's name; '' for somebody who is no plugin. */
  readonly point: 'Reserve' | 'Permit' | 'PreBind' | 'Bind'
  readonly plugin: string
  readonly rejection: Rejection
  /** The error, where there was one. */
  readonly error?: Error
}

/** What a binder tells its scheduler. */
export interface BinderEvents {
  bound(queued: QueuedPod, nodeName: string): void
  /** Called when the pod is counted on its node no more and all that was reserved is given back. */
  failed(failure: BindFailure): void
}

/** A pod on its way from the decision to the binding. */
interface Binding {
  readonly queued: QueuedPod
  readonly profile: Profile
  readonly placement: Placement
}

/**
 * Takes a pod from the decision to the binding: reserve, permit, preBind, bind, postBind. Without plugins that wait, all of it but the write
 * happens at once, and the write goes with those of other pods.
 */
export class Binder {
  readonly #cluster: ClusterState
  readonly #writer: BatchWriter
  readonly #waiting: WaitingPods
  readonly #events: BinderEvents
  /** Pods in preBind or in a bind of their own, each with how to end it. */
  readonly #underWay = new Map<string, AbortController>()
  #onIdle: (() => void)[] = []

  constructor(cluster: ClusterState, writer: BatchWriter, waiting: WaitingPods, events: BinderEvents) {
    this.#cluster = cluster
    this.#writer = writer
    this.#waiting = waiting
    this.#events = events
  }

  /** Counts the pod on the slot and begins to bind it. Called within the decision that chose the slot. */
  start(queued: QueuedPod, profile: Profile, cycle: Cycle, slot: number): void {
    const { pod, shape } = queued
    const placement = { pod, shape, nodeName: cycle.cluster.table.names[slot] as string }
    const binding = { queued, profile, placement }
    this.#cluster.place(pod, placement.nodeName, { assumed: true })
    for (const plugin of profile.reserve) {
      const rejection = plugin.reserve(cycle, slot)
      if (rejection !== undefined) return this.#fail(binding, 'Reserve', plugin.name, rejection)
    }
    if (profile.permit.length === 0) this.#preBind(binding)
    else this.#permit(binding, cycle, slot)
  }

  /** The pod is gone: whatever waits for it need not. */
  cancel(uid: string): void {
    this.#waiting.reject(uid, { kind: 'unschedulable', message: 'removed' })
    this.#underWay.get(uid)?.abort(new Error('the pod is gone'))
  }

  /** Ends all waiting and resolves once nothing is under way. */
  async stop(): Promise<void> {
    this.#waiting.rejectAll({ kind: 'error', message: 'the scheduler stops' })
    for (const abort of this.#underWay.values()) abort.abort(new Error('the scheduler stops'))
    if (this.#underWay.size > 0) await new Promise<void>((resolve) => void this.#onIdle.push(resolve))
    await this.#writer.idle()
  }

  #permit(binding: Binding, cycle: Cycle, slot: number): void {
    const waits = new Map<string, number>()
    for (const plugin of binding.profile.permit) {
      const verdict = plugin.permit(cycle, slot)
      if (verdict === 'allow') continue
      if ('waitMs' in verdict) waits.set(plugin.name, verdict.waitMs)
      else return this.#fail(binding, 'Permit', plugin.name, verdict)
    }
    if (waits.size === 0) return this.#preBind(binding)
    const [first = ''] = waits.keys()
    this.#waiting.hold(binding.queued.uid, waits, (rejection) => {
      if (rejection === undefined) this.#preBind(binding)
      else this.#fail(binding, 'Permit', first, rejection)
      this.#writer.flushSoon()
    })
  }

  #preBind(binding: Binding): void {
    const needed = binding.profile.preBind.filter((plugin) => plugin.needsPreBind(binding.placement))
    if (needed.length === 0) this.#bind(binding)
    else void this.#preBindAll(binding, needed)
  }

  async #preBindAll(binding: Binding, plugins: readonly PreBindPlugin[]): Promise<void> {
    const abort = this.#begin(binding)
    for (const plugin of plugins) {
      try {
        await plugin.preBind(binding.placement, abort.signal)
      } catch (error) {
        this.#end(binding)
        return this.#failWith(binding, 'PreBind', plugin.name, error)
      }
    }
    this.#end(binding)
    this.#bind(binding)
    this.#writer.flush()
  }

  #bind(binding: Binding, firstPlugin = 0): void {
    const { bind } = binding.profile
    for (let i = firstPlugin; i < bind.length; i++) {
      const plugin = bind[i] as BindPlugin
      const verdict = plugin.bind(binding.placement, () => this.#begin(binding).signal)
      if (verdict === 'skip') continue
      if (verdict instanceof Promise) return void this.#awaitBind(binding, i, verdict)
      this.#writer.add(
        verdict,
        (result) =>
          'error' in result ? this.#failWith(binding, 'Bind', plugin.name, result.error) : this.#succeed(binding),
        togetherOf(binding),
      )
      return
    }
    this.#failWith(binding, 'Bind', '', new Error('no plugin binds the pod'))
  }

  async #awaitBind(binding: Binding, index: number, bound: Promise<'bound' | 'skip'>): Promise<void> {
    this.#begin(binding)
    try {
      const verdict = await bound
      this.#end(binding)
      if (verdict === 'bound') return this.#succeed(binding)
    } catch (error) {
      this.#end(binding)
      return this.#failWith(binding, 'Bind', binding.profile.bind[index]?.name ?? '', error)
    }
    this.#bind(binding, index + 1)
    this.#writer.flush()
  }

  #succeed({ queued, profile, placement }: Binding): void {
    for (const plugin of profile.postBind) plugin.postBind(placement)
    this.#events.bound(queued, placement.nodeName)
  }

  #failWith(binding: Binding, point: BindFailure['point'], plugin: string, thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    this.#fail(binding, point, plugin, { kind: 'error', message: error.message }, error)
  }

  #fail(
    { queued, profile, placement }: Binding,
    point: BindFailure['point'],
    plugin: string,
    rejection: Rejection,
    error?: Error,
  ): void {
    for (const reserved of profile.reserve.toReversed()) reserved.unreserve(placement)
    const failure = { queued, nodeName: placement.nodeName, point, plugin, rejection }
    this.#events.failed(error === undefined ? failure : { ...failure, error })
  }

  #begin({ queued }: Binding): AbortController {
    let abort = this.#underWay.get(queued.uid)
    if (abort === undefined) this.#underWay.set(queued.uid, (abort = new AbortController()))
    return abort
  }

  #end({ queued }: Binding): void {
    this.#underWay.delete(queued.uid)
    if (this.#underWay.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve()
  }
}

function togetherOf({ profile, placement }: Binding): string | undefined {
  for (const plugin of profile.permit) {
    const together = plugin.together?.(placement)
    if (together !== undefined) return together
  }
  return undefined
}
