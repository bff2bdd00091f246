import { type Binder, type Binding, type BindFailure, permitOf } from './binder.ts'
import type { ClusterState, PlacedPod } from './cluster-state.ts'
import { fitErrorMessage } from './fit-error.ts'
import type { Eviction, Profile, Rejection } from './framework.ts'
import type { PostFilterOutcome } from './post-filter-outcome.ts'
import type { QueuedPod } from './queue.ts'
import type { Decision, NodePicker } from './schedule-one.ts'

/** Why a pod is not bound, for its event and condition, and whose events may help it. */
export interface Refusal {
  readonly message: string
  /** Names of plugins; or bits, as a decision gives them. */
  readonly rejectors: number | readonly string[]
}

/** What a scheduler does for pods one by one that a group cycle needs too. */
export interface GroupCycleParts {
  readonly cluster: ClusterState
  readonly picker: NodePicker
  readonly binder: Binder
  isQueued(queued: QueuedPod): boolean
  /** Decides on a pod, on the cluster with those of its group before it counted. @throws Error when an extender fails that must not */
  decide(queued: QueuedPod, profile: Profile): Decision | Promise<Decision>
  /** Asks the profile's postFilters; nobody is evicted yet. */
  makeRoom(
    queued: QueuedPod,
    profile: Profile,
    failed: Exclude<(Decision & { kind: 'unschedulable' })['failed'], undefined>,
  ): PostFilterOutcome | Promise<PostFilterOutcome>
  /** Runs something of which nobody need be told: nothing comes free by it that was not free before the cycle. */
  quietly(act: () => void): void
  /** Changes the pod's promised node; '' takes it back. */
  nominate(queued: QueuedPod, nodeName: string): void
  reportUnschedulable(queued: QueuedPod, refusal: Refusal): void
  reportError(queued: QueuedPod, error: Error): void
}

/** What came of trying one pod of a group. */
type Outcome =
  | { readonly kind: 'placed'; readonly queued: QueuedPod; readonly binding: Binding }
  /** It has a node once others have gone. */
  | {
      readonly kind: 'promised'
      readonly queued: QueuedPod
      readonly binding: Binding
      readonly refusal: Refusal
      readonly eviction: Eviction | undefined
    }
  | {
      readonly kind: 'failed'
      readonly queued: QueuedPod
      readonly refusal: Refusal
      /** Undefined: as it was. */
      readonly nominated: string | undefined
    }

/** What came of the group as a whole: bound, to be tried again once others have gone, or why not. */
export type GroupVerdict = { readonly kind: 'bound' | 'unschedulable' | 'error'; readonly message: string }

const unschedulable = 'pod group is unschedulable'
const waitsForPreemption = `${unschedulable}, pod group is waiting for preemption to complete`

/**
 * Decides on the pods of one group in one go (kube-scheduler's pod group cycle): each on the cluster with those before it counted, and with those gone
 * who would have to go for them. Once permit plugins let one of them be bound, all are that have a node; else everything is taken back, and nobody is
 * evicted for nothing.
 */
export class GroupCycle {
  readonly #parts: GroupCycleParts
  readonly #profile: Profile
  readonly #outcomes: Outcome[] = []
  readonly #withdrawn = new Map<string, PlacedPod>()
  /** The pod that is being tried. */
  #current: QueuedPod | undefined
  /** A permit plugin has let a pod be bound. */
  #isMet = false
  /** What a permit plugin that holds pods waits for, and its name. */
  #wait: { readonly plugin: string; readonly message: string } | undefined

  constructor(parts: GroupCycleParts, profile: Profile) {
    this.#parts = parts
    this.#profile = profile
  }

  /** Tries the pods in their order and acts on what comes of it. Without extenders it is done when it returns. @throws what `throwIfStopped` does */
  async run(members: readonly QueuedPod[], throwIfStopped: () => void): Promise<GroupVerdict> {
    try {
      for (const queued of members) {
        if (!this.#parts.isQueued(queued)) continue
        this.#current = queued
        const outcome = this.#try(queued)
        this.#outcomes.push(outcome instanceof Promise ? await outcome : outcome)
      }
    } catch (error) {
      this.#takeBack()
      throwIfStopped()
      return this.#fail(members, error as Error)
    }
    const isPromised = this.#outcomes.some(({ kind }) => kind === 'promised')
    if (this.#isMet && !isPromised) return this.#bind()
    this.#takeBack()
    return this.#isMet ? this.#waitForVictims() : this.#giveUp()
  }

  /** A pod is gone that may have been withdrawn for the time of the cycle. */
  forget(uid: string): void {
    this.#withdrawn.delete(uid)
  }

  #try(queued: QueuedPod): Outcome | Promise<Outcome> {
    const decision = this.#parts.decide(queued, this.#profile)
    return decision instanceof Promise
      ? decision.then((decided) => this.#place(queued, decided))
      : this.#place(queued, decision)
  }

  #place(queued: QueuedPod, decision: Decision): Outcome | Promise<Outcome> {
    if (decision.kind === 'fits') {
      const reserved = this.#reserve(queued, decision)
      return 'binding' in reserved ? { kind: 'placed', queued, ...reserved } : { kind: 'failed', queued, ...reserved }
    }
    const { failed, ...refusal } = decision
    if (failed === undefined) return { kind: 'failed', queued, refusal, nominated: '' }
    const made = this.#parts.makeRoom(queued, this.#profile, failed)
    return made instanceof Promise
      ? made.then((outcome) => this.#promise(queued, refusal, outcome))
      : this.#promise(queued, refusal, made)
  }

  /** Goes on as if those had gone who have to. */
  #promise(queued: QueuedPod, refusal: Refusal, made: PostFilterOutcome): Outcome {
    const { nominated, eviction } = made
    const told = { ...refusal, message: made.messageAfter(refusal.message) }
    if (nominated === undefined || nominated === '') return { kind: 'failed', queued, refusal: told, nominated }
    const { cluster, picker } = this.#parts
    for (const { uid } of eviction?.victims ?? []) {
      const victim = cluster.unplace(uid)
      if (victim !== undefined) this.#withdrawn.set(uid, victim)
    }
    const before = cluster.nominations.get(queued.uid)
    cluster.nominations.set(queued.pod, queued.shape, nominated)
    const decision = picker.pick(queued.pod, queued.shape, this.#profile)
    if (before === undefined) cluster.nominations.delete(queued.uid)
    else cluster.nominations.set(before.pod, before.shape, before.nodeName)
    const reserved = decision.kind === 'fits' ? this.#reserve(queued, decision) : { refusal: told, nominated: '' }
    return 'binding' in reserved
      ? { kind: 'promised', queued, refusal: told, eviction, ...reserved }
      : { kind: 'failed', queued, ...reserved }
  }

  #reserve(
    queued: QueuedPod,
    { cycle, slot }: Decision & { kind: 'fits' },
  ): { readonly binding: Binding } | { readonly refusal: Refusal; readonly nominated: string } {
    const { cluster, binder } = this.#parts
    const reserved = binder.reserve(queued, this.#profile, cycle, slot)
    if ('rejection' in reserved) {
      cluster.unplace(queued.uid)
      return { refusal: refusalOf(reserved), nominated: '' }
    }
    // It is counted where it goes, and nowhere besides.
    cluster.nominations.delete(queued.uid)
    const verdict = permitOf(reserved)
    if (verdict.kind === 'refused') {
      this.#parts.quietly(() => binder.undo(reserved))
      return { refusal: refusalOf(verdict), nominated: '' }
    }
    if (verdict.kind === 'allowed') this.#isMet = true
    else for (const [plugin, { message }] of verdict.waits) this.#wait ??= { plugin, message }
    return { binding: reserved }
  }

  #bind(): GroupVerdict {
    const bindings = this.#outcomes.flatMap((o) => (o.kind === 'placed' && this.#isStillPlaced(o) ? [o.binding] : []))
    for (const outcome of this.#outcomes) this.#reportFailed(outcome)
    this.#parts.binder.proceedTogether(bindings)
    return { kind: 'bound', message: '' }
  }

  // The pod may have gone while others were decided on.
  #isStillPlaced({ queued }: Outcome): boolean {
    return this.#parts.isQueued(queued) && this.#parts.cluster.placedPod(queued.uid)?.isAssumed === true
  }

  #waitForVictims(): GroupVerdict {
    for (const outcome of this.#outcomes) if (outcome.kind === 'promised') outcome.eviction?.go()
    for (const outcome of this.#outcomes) {
      const { kind, queued } = outcome
      if (kind === 'failed') this.#reportFailed(outcome)
      else if (this.#parts.isQueued(queued)) {
        this.#parts.nominate(queued, outcome.binding.placement.nodeName)
        const refusal =
          kind === 'promised' ? outcome.refusal : { message: waitsForPreemption, rejectors: this.#permitNames() }
        this.#parts.reportUnschedulable(queued, refusal)
      }
    }
    return { kind: 'unschedulable', message: waitsForPreemption }
  }

  #giveUp(): GroupVerdict {
    for (const outcome of this.#outcomes) {
      if (outcome.kind === 'failed') this.#reportFailed(outcome)
      else if (this.#parts.isQueued(outcome.queued)) {
        this.#parts.nominate(outcome.queued, '')
        const message = this.#wait === undefined ? unschedulable : `${unschedulable}, ${this.#wait.message}`
        this.#parts.reportUnschedulable(outcome.queued, { message, rejectors: this.#permitNames() })
      }
    }
    return { kind: 'unschedulable', message: unschedulable }
  }

  #reportFailed(outcome: Outcome): void {
    if (outcome.kind !== 'failed' || !this.#parts.isQueued(outcome.queued)) return
    if (outcome.nominated !== undefined) this.#parts.nominate(outcome.queued, outcome.nominated)
    this.#parts.reportUnschedulable(outcome.queued, outcome.refusal)
  }

  #fail(members: readonly QueuedPod[], cause: Error): GroupVerdict {
    const error = new Error(`failed to schedule other pod from a pod group: ${cause.message}`, { cause })
    for (const queued of members)
      if (this.#parts.isQueued(queued)) this.#parts.reportError(queued, queued === this.#current ? cause : error)
    return { kind: 'error', message: error.message }
  }

  #permitNames(): readonly string[] {
    return this.#wait === undefined ? this.#profile.permit.map(({ name }) => name) : [this.#wait.plugin]
  }

  #takeBack(): void {
    const { cluster, binder } = this.#parts
    this.#parts.quietly(() => {
      for (const outcome of this.#outcomes.toReversed()) if (outcome.kind !== 'failed') binder.undo(outcome.binding)
    })
    for (const { pod, nodeName, isAssumed } of this.#withdrawn.values())
      cluster.place(pod, nodeName, { assumed: isAssumed })
    this.#withdrawn.clear()
  }
}

/** A pod that a plugin turns down after the filters, in kube-scheduler's words. @throws Error when that is an error */
function refusalOf({ plugin, rejection }: Pick<BindFailure, 'plugin'> & { readonly rejection: Rejection }): Refusal {
  if (rejection.kind === 'error') throw new Error(rejection.message)
  return { message: fitErrorMessage(1, new Map([[rejection.message, 1]])), rejectors: [plugin] }
}
