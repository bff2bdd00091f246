import type { Rejection } from './framework.ts'

interface WaitingPod {
  /** Permit plugins that have not allowed it yet, each with how to call off its timeout. */
  readonly pending: Map<string, () => void>
  readonly settle: (rejection: Rejection | undefined) => void
}

/** Pods that have a node, counted there, and wait for permit plugins before they are bound (kube-scheduler's waiting pods). */
export class WaitingPods {
  readonly #setTimer: (callback: () => void, afterMs: number) => () => void
  readonly #pods = new Map<string, WaitingPod>()

  /** `setTimer` calls back once after the given time, in milliseconds, and returns how to call it off. */
  constructor(setTimer: (callback: () => void, afterMs: number) => () => void) {
    this.#setTimer = setTimer
  }

  /** How many wait. */
  get count(): number {
    return this.#pods.size
  }

  /** True while the pod waits. */
  has(uid: string): boolean {
    return this.#pods.has(uid)
  }

  /** Holds a pod; `settle` learns once all plugins allowed it (undefined) or why it was turned down. */
  hold(uid: string, waitMsByPlugin: ReadonlyMap<string, number>, settle: WaitingPod['settle']): void {
    const pending = new Map<string, () => void>()
    for (const [plugin, waitMs] of waitMsByPlugin) {
      const expire = (): void => {
        const message = `rejected due to timeout after waiting ${waitMs / 1000}s at plugin ${plugin}`
        this.reject(uid, { kind: 'unschedulable', message })
      }
      pending.set(plugin, this.#setTimer(expire, waitMs))
    }
    this.#pods.set(uid, { pending, settle })
  }

  /** Says for one plugin that the pod may be bound. */
  allow(uid: string, plugin: string): void {
    const waiting = this.#pods.get(uid)
    const cancel = waiting?.pending.get(plugin)
    if (waiting === undefined || cancel === undefined) return
    cancel()
    waiting.pending.delete(plugin)
    if (waiting.pending.size > 0) return
    this.#pods.delete(uid)
    waiting.settle(undefined)
  }

  /** Turns the pod down. */
  reject(uid: string, rejection: Rejection): void {
    const waiting = this.#pods.get(uid)
    if (waiting === undefined) return
    this.#pods.delete(uid)
    for (const cancel of waiting.pending.values()) cancel()
    waiting.settle(rejection)
  }

  /** Turns all pods down. */
  rejectAll(rejection: Rejection): void {
    for (const uid of this.#pods.keys()) this.reject(uid, rejection)
  }
}
