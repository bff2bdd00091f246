import { formatTime, isNotFound } from '@binnacle/apimachinery'
import type { Client } from '@binnacle/client'
import { type ContainerMetrics, type Node, nodeUsages, type UsageList } from '@binnacle/resources'
import type { Log } from '../log.ts'
import type { NodeMeasurement, Usage, UsageMeter } from './usage-meter.ts'

/** What a report needs. */
export interface UsageReportOptions {
  readonly client: Client
  readonly meter: UsageMeter
  readonly node: Node
  readonly log: Log
}

/** How often usage is measured and reported (metrics-server `--metric-resolution`). */
const periodMs = 15_000

/** Reports what the node and its pods use: one record, from which `metrics.k8s.io` is served. Returns what ends it. */
export function startUsageReport(options: UsageReportOptions): () => void {
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const next = async (): Promise<void> => {
    try {
      await report(options)
    } catch (error) {
      options.log('warn', 'cannot report usage', { error: String(error) })
    }
    if (!isStopped) timer = setTimeout(() => void next(), periodMs)
  }
  void next()
  return () => {
    isStopped = true
    clearTimeout(timer)
  }
}

async function report({ client, meter, node }: UsageReportOptions): Promise<void> {
  const measurement = await meter.measure()
  // The first one has no use of processors yet.
  if (measurement.node.nanoCores === undefined) return
  const { name = '', uid = '' } = node.metadata
  const body = recordOf(measurement)
  try {
    await client.patch(nodeUsages, { namespace: '', name }, { type: 'merge', body })
  } catch (error) {
    if (!isNotFound(error)) throw error
    const metadata = { name, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] }
    await client.create(nodeUsages, {
      apiVersion: 'metrics.binnacle.dev/v1',
      kind: 'NodeUsage',
      metadata,
      ...body,
    } as never)
  }
}

/** The record of a measurement. A pod is in it once all of its containers have been measured twice. */
export function recordOf({ node, containers }: NodeMeasurement): Record<string, unknown> {
  const pods = [...Map.groupBy(containers, ({ podUID }) => podUID)].flatMap(([uid, own]) =>
    uid === '' || own.some(({ nanoCores }) => nanoCores === undefined)
      ? []
      : [{ uid, containers: own.map((each): ContainerMetrics => ({ name: each.name, usage: usageList(each) })) }],
  )
  return { timestamp: formatTime(node.timeMs), window: `${periodMs / 1000}s`, usage: usageList(node), pods }
}

function usageList({ nanoCores = 0, workingSetBytes }: Usage): UsageList {
  return { cpu: `${nanoCores}n`, memory: `${Math.floor(workingSetBytes / 1024)}Ki` }
}
