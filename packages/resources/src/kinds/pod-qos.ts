import { addQuantities, compareQuantities, type Quantity, tryParseQuantity } from '@binnacle/apimachinery'
import type { Pod } from '../generated/types.ts'

/** The quality of service that requests and limits lead to. */
export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

const countedResources = ['cpu', 'memory'] as const
type Sums = Map<string, Quantity>

/** The quality of service of a pod (`qos.ComputePodQOS`): only cpu and memory count, and only where they are above zero. */
export function qosClass(pod: Pod): QosClass {
  const requests: Sums = new Map()
  const limits: Sums = new Map()
  let everyLimitSet = true
  for (const { resources } of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]) {
    accumulate(requests, resources?.requests)
    if (accumulate(limits, resources?.limits) < countedResources.length) everyLimitSet = false
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort'
  const equal = [...requests].every(([name, request]) => {
    const limit = limits.get(name)
    return limit !== undefined && compareQuantities(limit, request) === 0
  })
  return everyLimitSet && equal && requests.size === limits.size ? 'Guaranteed' : 'Burstable'
}

// Gives how many of the counted resources the container names.
function accumulate(sums: Sums, amounts: Readonly<Record<string, string>> | undefined): number {
  let found = 0
  for (const name of countedResources) {
    const quantity = amounts?.[name] === undefined ? undefined : tryParseQuantity(amounts[name])
    if (quantity === undefined || quantity.nanos <= 0n) continue
    const sum = sums.get(name)
    sums.set(name, sum === undefined ? quantity : addQuantities(sum, quantity))
    found++
  }
  return found
}
