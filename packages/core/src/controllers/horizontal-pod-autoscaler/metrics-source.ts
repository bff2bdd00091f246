import { milliUnits, parseTime, tryParseQuantity } from '@binnacle/apimachinery'
import type { Client } from '@binnacle/client'
import { type PodMetrics, podMetrics } from '@binnacle/resources'

/** What one container of a pod uses, in thousandths of a unit (of a core, of a byte), by resource. */
export type ContainerUsage = ReadonlyMap<string, number>

/** A measurement of a pod. */
export interface PodUsage {
  /** When it was taken, in milliseconds since 1970. */
  readonly atMs: number
  /** Over which time before that, in milliseconds. */
  readonly windowMs: number
  /** Container name → what it used. */
  readonly containers: ReadonlyMap<string, ContainerUsage>
}

/** Where autoscaling learns what pods use. */
export interface MetricsSource {
  /** The newest measurement of each pod that the selector (in text form) matches, by pod name. @throws Error when there is nobody to ask */
  podUsage(namespace: string, selector: string): Promise<ReadonlyMap<string, PodUsage>>
}

/** The resource metrics API of the cluster itself. */
export function servedMetrics(client: Client): MetricsSource {
  return {
    async podUsage(namespace, labelSelector) {
      const { items } = await client.list(podMetrics, { namespace, labelSelector }).catch((error: Error) => {
        throw new Error(`unable to fetch metrics from resource metrics API: ${error.message}`)
      })
      return new Map(items.map((item) => [item.metadata.name, usageOf(item)]))
    },
  }
}

function usageOf({ timestamp, window, containers }: PodMetrics): PodUsage {
  const usages = containers.map(({ name, usage }): [string, ContainerUsage] => [
    name,
    new Map(
      Object.entries(usage).flatMap(([resource, text]) => {
        const quantity = tryParseQuantity(text)
        return quantity === undefined ? [] : [[resource, milliUnits(quantity)] as const]
      }),
    ),
  ])
  return { atMs: parseTime(timestamp), windowMs: durationMs(window), containers: new Map(usages) }
}

// Go's text form of a duration: 1m30.5s.
function durationMs(text = ''): number {
  const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
  let sum = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|h|m|s)/g)) sum += Number(amount) * (unitMs[unit ?? ''] ?? 0)
  return sum
}
