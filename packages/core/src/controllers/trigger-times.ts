import { findCondition, formatKey, keyOf } from '@binnacle/apimachinery'
import type { Pod, Service } from '@binnacle/resources'

interface Seen {
  readonly pods: ReadonlyMap<string, string>
  readonly service: string
}

/**
 * Remembers what has happened to Services and their pods, to say which change the next write follows: the earliest of those that are new
 * (`endpoint/trigger_time_tracker.go`).
 */
export class TriggerTimes {
  readonly #seen = new Map<string, Seen>()

  /** The time of the earliest change since the last call; undefined when there is none. */
  next(service: Service, pods: readonly Pod[]): string | undefined {
    const key = formatKey(keyOf(service))
    const before = this.#seen.get(key)
    let earliest: string | undefined
    const compare = (time: string, old: string | undefined): void => {
      if ((old === undefined || time > old) && (earliest === undefined || time < earliest)) earliest = time
    }
    const times = new Map<string, string>()
    for (const pod of pods) {
      const time = findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime
      if (time === undefined) continue
      times.set(pod.metadata.name, time)
      compare(time, before?.pods.get(pod.metadata.name))
    }
    const made = service.metadata.creationTimestamp ?? ''
    if (made !== '') compare(made, before?.service)
    this.#seen.set(key, { pods: times, service: made })
    return earliest
  }

  /** Forgets a Service that is gone. */
  forget(key: string): void {
    this.#seen.delete(key)
  }
}
