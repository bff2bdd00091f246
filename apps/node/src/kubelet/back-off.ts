import type { ObservedContainer } from './observed-pod.ts'

/** The pause before the second restart; it doubles with each (kubelet `initialBackOff`). */
const firstMs = 10_000
/** Its bound (`MaxContainerBackOff`). */
const delayMsMax = 300_000
/** After a run this long the count begins anew. */
const resetMs = 2 * delayMsMax

interface Entry {
  readonly delayMs: number
  readonly setAtMs: number
}

/**
 * Pauses between restarts of a pod's containers (client-go `flowcontrol.Backoff` as the kubelet uses it): the first restart comes at once. An agent that
 * was restarted itself takes a container's pause from the number of its try.
 */
export class RestartBackOff {
  readonly #entries = new Map<string, Entry>()

  /** The pause after the end of this run, in milliseconds; 0: none. */
  delayMs(container: ObservedContainer): number {
    const entry = this.#entries.get(container.name) ?? recovered(container)
    if (entry === undefined || container.finishedAtMs - entry.setAtMs > resetMs) return 0
    return entry.delayMs
  }

  /** Notes that the container is started again after this run. */
  restarted(last: ObservedContainer, nowMs: number): void {
    const entry = this.#entries.get(last.name) ?? recovered(last)
    const isNew = entry === undefined || last.finishedAtMs - entry.setAtMs > resetMs
    const delayMs = isNew ? firstMs : Math.min(delayMsMax, entry.delayMs * 2)
    this.#entries.set(last.name, { delayMs, setAtMs: nowMs })
  }
}

function recovered({ attempt, createdAtMs }: ObservedContainer): Entry | undefined {
  if (attempt === 0) return undefined
  return { delayMs: Math.min(delayMsMax, firstMs * 2 ** (attempt - 1)), setAtMs: createdAtMs }
}

/** As Go writes durations of whole seconds: `1m20s`. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
