import type { BatchWriter } from './batch-writer.ts'
import type { ClusterState } from './cluster-state.ts'
import type { BindPlugin, Cycle, Placement, PreBindPlugin, Profile, Rejection, Wait } from './framework.ts'
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

/** A pod that is counted on its node, on its way from the decision to the binding. */
export interface Binding {
  readonly queued: QueuedPod
  readonly profile: Profile
  readonly placement: Placement
  readonly cycle: Cycle
  readonly slot: number
  /** The others that are bound together with it. */
  readonly gathering?: Gathering
}

/** Pods of one group that are bound in one write, once each is ready to be bound or has failed. */
interface Gathering {
  /** How many have not failed. */
  expected: number
  readonly ready: Binding[]
}

/** What the permit plugins of its profile say of a pod: who holds it and for how long, or who turns it down. */
export type PermitVerdict =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'held'; readonly waits: ReadonlyMap<string, Wait> }
  | { readonly kind: 'refused'; readonly plugin: string; readonly rejection: Rejection }

/** Asks the permit plugins about a pod. */
export function permitOf({ profile: { permit }, cycle, slot }: Binding): PermitVerdict {
  let waits: Map<string, Wait> | undefined
  for (const plugin of permit) {
    const verdict = plugin.permit(cycle, slot)
    if (verdict === 'allow') continue
    if ('kind' in verdict) return { kind: 'refused', plugin: plugin.name, rejection: verdict }
    waits ??= new Map()
    waits.set(plugin.name, verdict)
  }
  return waits === undefined ? { kind: 'allowed' } : { kind: 'held', waits }
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
  /** Pods that are ready to be bound and wait for the others of their group. */
  readonly #gathered = new Map<string, Binding>()
  #onIdle: (() => void)[] = []

  constructor(cluster: ClusterState, writer: BatchWriter, waiting: WaitingPods, events: BinderEvents) {
    this.#cluster = cluster
    this.#writer = writer
    this.#waiting = waiting
    this.#events = events
  }

  /** Counts the pod on the slot and begins to bind it. Called within the decision that chose the slot. */
  start(queued: QueuedPod, profile: Profile, cycle: Cycle, slot: number): void {
    const reserved = this.reserve(queued, profile, cycle, slot)
    if ('rejection' in reserved) this.#events.failed(reserved)
    else this.#proceed(reserved)
  }

  /** Counts the pod on the slot and sets aside what it will use there; it stays counted when that is refused. */
  reserve(queued: QueuedPod, profile: Profile, cycle: Cycle, slot: number): Binding | BindFailure {
    const { pod, shape } = queued
    const placement = { pod, shape, nodeName: cycle.cluster.table.names[slot] as string }
    this.#cluster.place(pod, placement.nodeName, { assumed: true })
    for (const plugin of profile.reserve) {
      const rejection = plugin.reserve(cycle, slot)
      if (rejection === undefined) continue
      unreserve(profile, placement)
      return { queued, nodeName: placement.nodeName, point: 'Reserve', plugin: plugin.name, rejection }
    }
    return { queued, profile, placement, cycle, slot }
  }

  /** Takes back what was reserved for a pod that is not to be bound after all, as if nothing had been. */
  undo({ queued, profile, placement }: Binding): void {
    unreserve(profile, placement)
    if (this.#cluster.placedPod(queued.uid)?.isAssumed === true) this.#cluster.unplace(queued.uid)
  }

  /** Binds pods of one group: those that must be bound together when all are ready, as long as enough of them are. */
  proceedTogether(bindings: readonly Binding[]): void {
    const gathering: Gathering = { expected: 0, ready: [] }
    const all = bindings.map((binding) => {
      if (togetherOf(binding) === undefined) return binding
      gathering.expected++
      return { ...binding, gathering }
    })
    for (const binding of all) this.#proceed(binding)
    this.#writer.flushSoon()
  }

  /** The pod is gone: whatever waits for it need not. */
  cancel(uid: string): void {
    this.#waiting.reject(uid, { kind: 'unschedulable', message: 'removed' })
    this.#underWay.get(uid)?.abort(new Error('the pod is gone'))
    const gathered = this.#gathered.get(uid)
    if (gathered === undefined) return
    this.#gathered.delete(uid)
    gathered.gathering?.ready.splice(gathered.gathering.ready.indexOf(gathered), 1)
    this.#failWith(gathered, 'PreBind', '', new Error('the pod is gone'))
  }

  /** Ends all waiting and resolves once nothing is under way. */
  async stop(): Promise<void> {
    this.#waiting.rejectAll({ kind: 'error', message: 'the scheduler stops' })
    for (const abort of this.#underWay.values()) abort.abort(new Error('the scheduler stops'))
    if (this.#underWay.size > 0) await new Promise<void>((resolve) => void this.#onIdle.push(resolve))
    await this.#writer.idle()
  }

  #proceed(binding: Binding): void {
    if (binding.profile.permit.length === 0) return this.#preBind(binding)
    const verdict = permitOf(binding)
    if (verdict.kind === 'allowed') return this.#preBind(binding)
    if (verdict.kind === 'refused') return this.#fail(binding, 'Permit', verdict.plugin, verdict.rejection)
    const { waits } = verdict
    const [first = ''] = waits.keys()
    this.#waiting.hold(
      binding.queued.uid,
      new Map([...waits].map(([plugin, { waitMs }]) => [plugin, waitMs])),
      (rejection) => {
        if (rejection === undefined) this.#preBind(binding)
        else this.#fail(binding, 'Permit', first, rejection)
        this.#writer.flushSoon()
      },
    )
  }

  #preBind(binding: Binding): void {
    const needed = binding.profile.preBind.filter((plugin) => plugin.needsPreBind(binding.placement))
    if (needed.length === 0) this.#ready(binding)
    else void this.#preBindAll(binding, needed)
  }

  #ready(binding: Binding): void {
    if (binding.gathering === undefined) return this.#bind(binding)
    binding.gathering.ready.push(binding)
    this.#gathered.set(binding.queued.uid, binding)
    this.#bindGathered(binding.gathering)
  }

  #bindGathered(gathering: Gathering): void {
    const [first] = gathering.ready
    if (first === undefined || gathering.ready.length < gathering.expected) return
    // Some may have failed, or gone, since the group was found to be complete.
    const verdict = permitOf(first)
    const bindings = gathering.ready.splice(0)
    for (const { gathering: _, ...binding } of bindings) {
      this.#gathered.delete(binding.queued.uid)
      if (verdict.kind === 'allowed') this.#bind(binding)
      else this.#fail(binding, 'Permit', ...refusalOf(verdict))
    }
    this.#writer.flushSoon()
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
    this.#ready(binding)
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
    { queued, profile, placement, gathering }: Binding,
    point: BindFailure['point'],
    plugin: string,
    rejection: Rejection,
    error?: Error,
  ): void {
    unreserve(profile, placement)
    const failure = { queued, nodeName: placement.nodeName, point, plugin, rejection }
    this.#events.failed(error === undefined ? failure : { ...failure, error })
    if (gathering === undefined) return
    gathering.expected--
    this.#bindGathered(gathering)
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

function unreserve({ reserve }: Profile, placement: Placement): void {
  for (const plugin of reserve.toReversed()) plugin.unreserve(placement)
}

function refusalOf(verdict: Exclude<PermitVerdict, { kind: 'allowed' }>): [plugin: string, rejection: Rejection] {
  if (verdict.kind === 'refused') return [verdict.plugin, verdict.rejection]
  const [[plugin, { message }] = ['', { message: '' }]] = verdict.waits
  return [plugin, { kind: 'unschedulable', message }]
}

function togetherOf({ profile, placement }: Binding): string | undefined {
  for (const plugin of profile.permit) {
    const together = plugin.together?.(placement)
    if (together !== undefined) return together
  }
  return undefined
}
