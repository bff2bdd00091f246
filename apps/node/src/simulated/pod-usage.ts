import { formatQuantity, type Quantity, roundUpQuantity, tryParseQuantity } from '@binnacle/apimachinery'
import type { ContainerMetrics } from '@binnacle/resources'
import { type Container, cpuUsageAnnotation, memoryUsageAnnotation, type Pod } from './pod.ts'

const annotationOf = { cpu: cpuUsageAnnotation, memory: memoryUsageAnnotation } as const
const zero: Quantity = { nanos: 0n, format: 'DecimalSI' }

/** True when the pod says itself what it uses. */
export function hasUsage({ metadata: { annotations = {} } }: Pod): boolean {
  return annotations[cpuUsageAnnotation] !== undefined || annotations[memoryUsageAnnotation] !== undefined
}

/**
 * What each of a pod's running containers uses: its part of what the pod says, else `share` of its requests. Undefined where neither is asked for,
 * or none runs.
 */
export function usageOf(pod: Pod, running: readonly Container[], share: number): ContainerMetrics[] | undefined {
  if (running.length === 0 || (share === 0 && !hasUsage(pod))) return undefined
  return running.map((container) => ({
    name: container.name,
    usage: {
      cpu: formatQuantity(amountOf('cpu', pod, container, running.length, share)),
      memory: formatQuantity(roundUpQuantity(amountOf('memory', pod, container, running.length, share))),
    },
  }))
}

function amountOf(resource: 'cpu' | 'memory', pod: Pod, container: Container, parts: number, share: number): Quantity {
  const said = tryParseQuantity(pod.metadata.annotations?.[annotationOf[resource]] ?? '')
  if (said !== undefined) return { ...said, nanos: said.nanos / BigInt(parts) }
  const request = tryParseQuantity(container.resources?.requests?.[resource] ?? '') ?? zero
  return { ...request, nanos: (request.nanos * BigInt(Math.round(share * 1000))) / 1000n }
}
