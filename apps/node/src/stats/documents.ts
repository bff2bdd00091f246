import { statfsSync } from 'node:fs'
import { formatTime } from '@binnacle/apimachinery'
import type { Pod } from '@binnacle/resources'
import type { AgentDocument } from '../server/agent-server.ts'
import type { ContainerUsage, NodeMeasurement, Usage, UsageMeter } from './usage-meter.ts'

/** What the agent's server tells of the node's use. */
export interface StatsSource {
  readonly nodeName: string
  readonly dataDirectory: string
  readonly meter: UsageMeter
  pods(): readonly Pod[]
}

/** The documents of a kubelet's server about use: `/stats/summary` for people and autoscalers, `/metrics/resource` for Prometheus and metrics-server. */
export function statsDocuments(source: StatsSource): Readonly<Record<string, () => Promise<AgentDocument>>> {
  const measured = async (): Promise<NodeMeasurement> => source.meter.last ?? (await source.meter.measure())
  return {
    '/stats/summary': async () => ({
      contentType: 'application/json',
      body: JSON.stringify(summary(source, await measured())),
    }),
    '/metrics/resource': async () => ({
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: resourceMetrics(await measured()),
    }),
  }
}

/** kubelet `stats/v1alpha1 Summary`. */
function summary({ nodeName, dataDirectory, pods }: StatsSource, { node, containers }: NodeMeasurement): object {
  const byUID = new Map(pods().map((pod) => [pod.metadata.uid, pod]))
  const { bavail, bfree, blocks, bsize, ffree, files } = statfsSync(dataDirectory)
  const fs = {
    time: formatTime(node.timeMs),
    ...{ availableBytes: bavail * bsize, capacityBytes: blocks * bsize, usedBytes: (blocks - bfree) * bsize },
    ...{ inodesFree: ffree, inodes: files, inodesUsed: files - ffree },
  }
  return {
    node: { nodeName, ...usageStats(node), fs, runtime: { imageFs: fs } },
    pods: [...byPod(containers)].map(([uid, own]) => ({
      podRef: { name: own[0]?.podName, namespace: own[0]?.podNamespace, uid },
      startTime: byUID.get(uid)?.status?.startTime ?? null,
      containers: own.map((container) => ({
        name: container.name,
        startTime: startOf(byUID.get(uid), container.name) ?? null,
        ...usageStats(container),
        rootfs: { time: formatTime(container.timeMs), usedBytes: container.rootfsBytes },
      })),
      ...usageStats(sumOf(own)),
    })),
  }
}

function byPod(containers: readonly ContainerUsage[]): ReadonlyMap<string, readonly ContainerUsage[]> {
  return Map.groupBy(
    containers.filter(({ podUID }) => podUID !== ''),
    ({ podUID }) => podUID,
  )
}

function startOf(pod: Pod | undefined, name: string): string | undefined {
  return pod?.status?.containerStatuses?.find((status) => status.name === name)?.state?.running?.startedAt
}

function sumOf(containers: readonly ContainerUsage[]): Usage {
  const sum = (value: (usage: Usage) => number): number => containers.reduce((total, each) => total + value(each), 0)
  const isWhole = containers.every(({ nanoCores }) => nanoCores !== undefined)
  return {
    timeMs: Math.max(...containers.map(({ timeMs }) => timeMs)),
    cpuNanoseconds: sum(({ cpuNanoseconds }) => cpuNanoseconds),
    nanoCores: isWhole ? sum(({ nanoCores = 0 }) => nanoCores) : undefined,
    workingSetBytes: sum(({ workingSetBytes }) => workingSetBytes),
    usageBytes: sum(({ usageBytes }) => usageBytes),
    rssBytes: sum(({ rssBytes }) => rssBytes),
  }
}

function usageStats({ timeMs, cpuNanoseconds, nanoCores, workingSetBytes, usageBytes, rssBytes }: Usage): object {
  const time = formatTime(timeMs)
  return {
    cpu: {
      time,
      ...(nanoCores === undefined ? {} : { usageNanoCores: nanoCores }),
      usageCoreNanoSeconds: cpuNanoseconds,
    },
    memory: { time, usageBytes, workingSetBytes, rssBytes },
  }
}

interface Series {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly (readonly [labels: string, usage: Usage])[]
  value(usage: Usage): number
}

const seconds = ({ cpuNanoseconds }: Usage): number => cpuNanoseconds / 1e9
const workingSet = ({ workingSetBytes }: Usage): number => workingSetBytes

/** kubelet `resourceMetricsCollector`: names and labels are its own, times are milliseconds. */
function resourceMetrics({ node, containers }: NodeMeasurement): string {
  const known = containers.filter(({ podUID }) => podUID !== '')
  const each = known.map(
    (usage) => [`container="${usage.name}",namespace="${usage.podNamespace}",pod="${usage.podName}"`, usage] as const,
  )
  const pods = [...byPod(containers).values()].map(
    (own) => [`namespace="${own[0]?.podNamespace}",pod="${own[0]?.podName}"`, sumOf(own)] as const,
  )
  const kinds = [
    ['container', each],
    ['node', [['', node] as const]],
    ['pod', pods],
  ] as const
  const series = kinds.flatMap(([kind, samples]): Series[] => [
    {
      name: `${kind}_cpu_usage_seconds_total`,
      help: `Cumulative cpu time consumed by the ${kind} in core-seconds`,
      ...{ type: 'counter', samples, value: seconds },
    },
    {
      name: `${kind}_memory_working_set_bytes`,
      help: `Current working set of the ${kind} in bytes`,
      ...{ type: 'gauge', samples, value: workingSet },
    },
  ])
  return `${series.map(seriesText).join('')}# HELP resource_scrape_error 1 if there was an error while getting container metrics, 0 otherwise
# TYPE resource_scrape_error gauge
resource_scrape_error 0
`
}

function seriesText({ name, help, type, samples, value }: Series): string {
  const lines = samples.map(([labels, usage]) => {
    const text = labels === '' ? '' : `{${labels}}`
    return `${name}${text} ${value(usage)} ${Math.round(usage.timeMs)}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}
