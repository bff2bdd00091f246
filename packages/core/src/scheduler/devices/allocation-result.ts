import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  NodeSelector,
  NodeSelectorTerm,
} from '@binnacle/resources'
import type { PreparedClaim } from './allocation-request.ts'
import { type ChosenDevice, concerns } from './allocator.ts'

/** What is written into a claim for the devices chosen for it, the node that they are for, and where else they can be used. */
export function allocationOf(
  { claim, requests }: PreparedClaim,
  chosen: readonly ChosenDevice[],
  nodeName: string,
): AllocationResult {
  const config: DeviceAllocationConfiguration[] = []
  for (const { name } of requests) {
    const first = chosen.find(({ requestName }) => requestName === name)
    for (const configuration of first?.alternative.deviceClass.spec.config ?? [])
      config.push({ source: 'FromClass', requests: [first?.alternative.name ?? name], ...configuration })
  }
  for (const configuration of claim.spec.devices?.config ?? []) {
    const names = new Set(configuration.requests)
    if (names.size === 0 || chosen.some((device) => concerns(names, device)))
      config.push({ source: 'FromClaim', ...configuration })
  }
  const nodeSelector = selectorOf(chosen, nodeName)
  return {
    devices: {
      results: chosen.map(({ alternative, device }) => ({
        request: alternative.name,
        driver: device.driver,
        pool: device.pool,
        device: device.device.name,
        ...(alternative.adminAccess ? { adminAccess: true } : {}),
      })),
      ...(config.length === 0 ? {} : { config }),
    },
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
  }
}

/** A device of one node binds the claim to that node; others to the nodes that can reach all of them. */
function selectorOf(chosen: readonly ChosenDevice[], nodeName: string): NodeSelector | undefined {
  const term: Required<NodeSelectorTerm> = { matchExpressions: [], matchFields: [] }
  const merged = new Set<NodeSelector>()
  for (const { device } of chosen) {
    const { nodeName: own, nodeSelector } = device.slice.spec
    if (own) return nodeNamed(nodeName)
    if (nodeSelector === undefined || merged.has(nodeSelector)) continue
    merged.add(nodeSelector)
    // Slices have exactly one term.
    const [{ matchExpressions = [], matchFields = [] } = {}] = nodeSelector.nodeSelectorTerms
    for (const [list, more] of [
      [term.matchExpressions, matchExpressions],
      [term.matchFields, matchFields],
    ] as const)
      for (const requirement of more)
        if (!list.some((known) => JSON.stringify(known) === JSON.stringify(requirement))) list.push(requirement)
  }
  const { matchExpressions, matchFields } = term
  if (matchExpressions.length === 0 && matchFields.length === 0) return undefined
  return {
    nodeSelectorTerms: [
      {
        ...(matchExpressions.length === 0 ? {} : { matchExpressions }),
        ...(matchFields.length === 0 ? {} : { matchFields }),
      },
    ],
  }
}

const nodeNamed = (name: string): NodeSelector => ({
  nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
})
