import { formatTime, type KubernetesObject, milliUnits, parseTime, tryParseQuantity } from '@binnacle/apimachinery'
import { column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { Pod } from '../generated/types.ts'
import type { PrinterColumn, ResourceDefinition } from '../resource-definition.ts'
import { nodes } from './nodes.ts'
import { pods } from './pods.ts'

/** Resource name → quantity. */
export type UsageList = Readonly<Record<string, string>>

/** What a container uses (`metrics.k8s.io/v1beta1 ContainerMetrics`). */
export interface ContainerMetrics {
  readonly name: string
  readonly usage: UsageList
}

interface Measurement extends KubernetesObject {
  /** When the measurement ended. */
  readonly timestamp: string
  /** How long it took, as Go writes durations. */
  readonly window: string
}

/** `metrics.k8s.io/v1beta1 NodeMetrics`. */
export interface NodeMetrics extends Measurement {
  readonly usage: UsageList
}

/** `metrics.k8s.io/v1beta1 PodMetrics`. */
export interface PodMetrics extends Measurement {
  readonly containers: readonly ContainerMetrics[]
}

/**
 * What a node agent has measured last, of its node and of the pods on it. One record a node, with the node's name: an agent writes it every
 * fifteen seconds at most, and its history is kept for minutes only.
 */
export interface NodeUsage extends Measurement {
  readonly usage: UsageList
  readonly pods?: readonly { readonly uid: string; readonly containers: readonly ContainerMetrics[] }[]
}

/** How old a measurement may be to be told of, in milliseconds: four of the periods in which agents measure. */
const measurementMsMax = 60_000

/** The records that {@link nodeMetrics} and {@link podMetrics} are told from. */
export const nodeUsages: ResourceDefinition<NodeUsage> = defineResource<NodeUsage>(
  'metrics.binnacle.dev',
  'v1',
  'nodeusages',
  {
    columns: [
      column('CPU', ({ usage }: NodeUsage) => usage['cpu'] ?? '0'),
      column('Memory', ({ usage }: NodeUsage) => usage['memory'] ?? '0'),
      column('Pods', (record: NodeUsage) => record.pods?.length ?? 0, { type: 'integer' }),
      column('Measured', ({ timestamp }: NodeUsage) => timestamp),
    ],
  },
)

/** What nodes use, as metrics-server serves it: a view of what their agents measured. */
export const nodeMetrics: ResourceDefinition<NodeMetrics> = defineResource<NodeMetrics>(
  'metrics.k8s.io',
  'v1beta1',
  'nodes',
  {
    columns: usageColumns<NodeMetrics>((node) => [node.usage]),
    servedByDefault: true,
    view: {
      of: () => nodes,
      records: () => nodeUsages,
      recordOf: ({ metadata }) => metadata.name,
      tell(node, record: NodeUsage, nowMs) {
        if (isOld(record, nowMs)) return undefined
        const { timestamp, window, usage } = record
        return { ...head('NodeMetrics', node, nowMs), timestamp, window, usage }
      },
    },
  },
)

/** What pods use, likewise; a pod that was not measured has none. */
export const podMetrics: ResourceDefinition<PodMetrics> = defineResource<PodMetrics>(
  'metrics.k8s.io',
  'v1beta1',
  'pods',
  {
    columns: usageColumns<PodMetrics>(({ containers }) => containers.map(({ usage }) => usage)),
    servedByDefault: true,
    view: {
      of: () => pods,
      records: () => nodeUsages,
      recordOf: (pod) => (pod as Pod).spec?.nodeName,
      tell(pod, record: NodeUsage, nowMs) {
        const { timestamp, window } = record
        const containers = isOld(record, nowMs) ? undefined : containersOf(record).get(pod.metadata.uid ?? '')
        if (containers === undefined) return undefined
        return { ...head('PodMetrics', pod, nowMs), timestamp, window, containers }
      },
    },
  },
)

function isOld({ timestamp }: NodeUsage, nowMs: number): boolean {
  return !(nowMs - parseTime(timestamp) <= measurementMsMax)
}

const containersByUid = new WeakMap<NodeUsage, ReadonlyMap<string, readonly ContainerMetrics[]>>()

function containersOf(record: NodeUsage): ReadonlyMap<string, readonly ContainerMetrics[]> {
  let found = containersByUid.get(record)
  if (found === undefined) {
    found = new Map((record.pods ?? []).map(({ uid, containers }) => [uid, containers]))
    containersByUid.set(record, found)
  }
  return found
}

function head(kind: string, { metadata }: KubernetesObject, nowMs: number) {
  const { name, namespace, labels } = metadata
  const own = { name, ...(namespace === undefined ? {} : { namespace }), creationTimestamp: formatTime(nowMs) }
  return {
    kind,
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: { ...own, ...(labels === undefined ? {} : { labels }) },
  }
}

function usageColumns<T extends Measurement>(usages: (object: T) => readonly UsageList[]): PrinterColumn<T>[] {
  const milliSum = (object: T, resource: string): number => {
    let sum = 0
    for (const usage of usages(object)) {
      const quantity = tryParseQuantity(usage[resource] ?? '0')
      sum += quantity === undefined ? 0 : milliUnits(quantity)
    }
    return sum
  }
  return [
    column('CPU', (object: T) => `${milliSum(object, 'cpu')}m`),
    column('Memory', (object: T) => `${Math.trunc(milliSum(object, 'memory') / 1000 / 1024)}Ki`),
    column('Window', ({ window }: T) => window),
  ]
}
