import { findCondition, formatTime, parseTime, semanticEqual } from '@binnacle/apimachinery'
import type { Node, NodeCondition, Taint } from '@binnacle/resources'

/** How long a node may be silent before its conditions become Unknown (`--node-monitor-grace-period`). */
export const monitorGraceMs = 50_000
/** The same for a node that has never said anything (`--node-startup-grace-period`). */
export const startupGraceMs = 60_000

/** Keys of the taints that this controller sets. */
export const taintKeys = {
  notReady: 'node.kubernetes.io/not-ready',
  unreachable: 'node.kubernetes.io/unreachable',
  memoryPressure: 'node.kubernetes.io/memory-pressure',
  diskPressure: 'node.kubernetes.io/disk-pressure',
  pidPressure: 'node.kubernetes.io/pid-pressure',
  networkUnavailable: 'node.kubernetes.io/network-unavailable',
  unschedulable: 'node.kubernetes.io/unschedulable',
} as const

/** Which status of which condition keeps new pods away, and by which taint. */
const taintByCondition: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: taintKeys.notReady, Unknown: taintKeys.unreachable },
  MemoryPressure: { True: taintKeys.memoryPressure },
  DiskPressure: { True: taintKeys.diskPressure },
  NetworkUnavailable: { True: taintKeys.networkUnavailable },
  PIDPressure: { True: taintKeys.pidPressure },
}

const conditionTaintKeys: ReadonlySet<string> = new Set([
  ...Object.values(taintByCondition).flatMap((keys) => Object.values(keys)),
  taintKeys.unschedulable,
])

const monitoredConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const

/** The node's Ready condition: `True`, `False` or `Unknown`; undefined when it has none. */
export function readyStatus(node: Node): string | undefined {
  return findCondition(node.status?.conditions, 'Ready')?.status
}

/** Since when a node counts as silent, before the controller has heard of it: a node that never reported, since it was made. */
export function silentSinceMs(node: Node, nowMs: number): number {
  if (readyStatus(node) !== undefined) return nowMs
  const createdMs = parseTime(node.metadata.creationTimestamp)
  return Number.isNaN(createdMs) ? nowMs : createdMs
}

/** How long the node may be silent. */
export function graceMs(node: Node): number {
  return readyStatus(node) === undefined ? startupGraceMs : monitorGraceMs
}

/** The conditions of a node that has been silent for too long; undefined when they say so already. */
export function unknownConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  const conditions = node.status?.conditions ?? []
  const lastTransitionTime = formatTime(nowMs)
  const changed = conditions.map((condition) =>
    !isMonitored(condition.type) || condition.status === 'Unknown'
      ? condition
      : {
          ...condition,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime,
        },
  )
  for (const type of monitoredConditions) {
    if (findCondition(conditions, type) !== undefined) continue
    changed.push({
      type,
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
      lastHeartbeatTime: node.metadata.creationTimestamp ?? lastTransitionTime,
      lastTransitionTime,
    })
  }
  return semanticEqual(changed, conditions) ? undefined : changed
}

function isMonitored(type: string): boolean {
  return (monitoredConditions as readonly string[]).includes(type)
}

/** Keys of the taints, with the effect NoSchedule, that the node's conditions call for. */
export function conditionTaints(node: Node): string[] {
  const keys = (node.status?.conditions ?? []).flatMap(({ type, status }) => taintByCondition[type]?.[status] ?? [])
  if (node.spec?.unschedulable === true) keys.push(taintKeys.unschedulable)
  return keys
}

/** The key of the taint with the effect NoExecute that a node's readiness calls for: it drives pods away. */
export function evictionTaint(node: Node): string | undefined {
  return taintByCondition['Ready']?.[readyStatus(node) ?? 'True']
}

/** True when one of the two taints that drive pods away is on the node. */
export function hasEvictionTaint(node: Node): boolean {
  return (node.spec?.taints ?? []).some(isEvictionTaint)
}

function isEvictionTaint({ key, effect }: Taint): boolean {
  return effect === 'NoExecute' && (key === taintKeys.notReady || key === taintKeys.unreachable)
}

/** The node's taints with those that are the controller's as given, by key; taints of others stay. Undefined when nothing changes. */
export function plannedTaints(
  node: Node,
  wanted: { readonly noSchedule: readonly string[]; readonly noExecute: string | undefined },
  nowMs: number,
): Taint[] | undefined {
  const old = node.spec?.taints ?? []
  const keep = old.filter((taint) => {
    if (isEvictionTaint(taint)) return taint.key === wanted.noExecute
    return taint.effect !== 'NoSchedule' || !conditionTaintKeys.has(taint.key) || wanted.noSchedule.includes(taint.key)
  })
  const isThere = (key: string, effect: string): boolean =>
    keep.some((taint) => taint.key === key && taint.effect === effect)
  const timeAdded = formatTime(nowMs)
  const added: Taint[] = wanted.noSchedule
    .filter((key) => !isThere(key, 'NoSchedule'))
    .map((key) => ({ key, effect: 'NoSchedule', timeAdded }))
  if (wanted.noExecute !== undefined && !isThere(wanted.noExecute, 'NoExecute'))
    added.push({ key: wanted.noExecute, effect: 'NoExecute', timeAdded })
  return added.length === 0 && keep.length === old.length ? undefined : [...keep, ...added]
}

const labelTwins = [
  ['kubernetes.io/os', 'beta.kubernetes.io/os'],
  ['kubernetes.io/arch', 'beta.kubernetes.io/arch'],
] as const

/** The node's labels with the old names of operating system and architecture saying the same as the new ones. Undefined when nothing changes. */
export function plannedLabels(node: Node): Record<string, string> | undefined {
  const labels = node.metadata.labels ?? {}
  const missing = labelTwins.flatMap(([primary, secondary]) => {
    const value = labels[primary]
    return value === undefined || labels[secondary] === value ? [] : [[secondary, value] as const]
  })
  return missing.length === 0 ? undefined : { ...labels, ...Object.fromEntries(missing) }
}
