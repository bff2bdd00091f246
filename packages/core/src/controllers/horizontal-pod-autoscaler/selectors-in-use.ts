import { formatKey, labelSelectorOf, type ObjectKey, type Selector } from '@binnacle/apimachinery'
import type { Pod } from '@binnacle/resources'

interface InUse {
  readonly key: ObjectKey
  readonly text: string
  readonly selector: Selector
}

/** The selectors of the pods that each autoscaler steers, as the targets had them last (`hpaSelectors`): two may not steer the same pods. */
export class SelectorsInUse {
  readonly #byAutoscaler = new Map<string, InUse>()

  /** Notes the selector of an autoscaler. Gives upstream's words when the pods that it selects are steered by others too. */
  put(key: ObjectKey, text: string, selected: readonly Pod[]): string | undefined {
    const name = formatKey(key)
    if (this.#byAutoscaler.get(name)?.text !== text)
      this.#byAutoscaler.set(name, { key, text, selector: labelSelectorOf(text) })
    const steering = [...this.#byAutoscaler.values()].filter(
      (other) =>
        other.key.namespace === key.namespace &&
        selected.some(({ metadata }) => other.selector.matches(metadata.labels)),
    )
    if (steering.length <= 1) return undefined
    const names = steering.map((other) => `{${other.key.name} ${other.key.namespace}}`).sort()
    return `pods by selector ${text} are controlled by multiple HPAs: [${names.join(' ')}]`
  }

  /** Forgets an autoscaler that is gone. */
  delete(key: ObjectKey): void {
    this.#byAutoscaler.delete(formatKey(key))
  }
}
