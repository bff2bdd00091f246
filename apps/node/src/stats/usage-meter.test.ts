import type { Pod } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import type { ContainerStats } from '../cri/messages.ts'
import { statsDocuments } from './documents.ts'
import { busyNanoseconds, memoryOf, UsageMeter } from './usage-meter.ts'
import { recordOf } from './usage-report.ts'

function stats(id: string, pod: string, seconds: number, cpuSeconds: number, memory = 5 << 20): ContainerStats {
  const timestamp = String(seconds * 1e9)
  const labels: Record<string, string> =
    pod === ''
      ? {}
      : {
          'io.kubernetes.pod.uid': `uid-${pod}`,
          'io.kubernetes.pod.name': pod,
          'io.kubernetes.pod.namespace': 'default',
        }
  const value = (number: number) => ({ value: String(number) })
  return {
    attributes: { id, metadata: { name: id, attempt: 0 }, labels },
    cpu: { timestamp, usageCoreNanoSeconds: value(cpuSeconds * 1e9) },
    memory: {
      ...{ timestamp, workingSetBytes: value(memory), availableBytes: null, usageBytes: value(memory * 2) },
      ...{ rssBytes: value(memory / 2), pageFaults: null, majorPageFaults: null },
    },
    writableLayer: null,
  }
}

async function meterOf(...rounds: readonly ContainerStats[][]): Promise<UsageMeter> {
  let round = 0
  const meter = new UsageMeter({ listContainerStats: async () => rounds[round++] ?? [] })
  for (const _ of rounds) await meter.measure()
  return meter
}

const pod = {
  metadata: { name: 'web', namespace: 'default', uid: 'uid-web' },
  status: {
    startTime: '2026-01-01T00:00:00Z',
    containerStatuses: [{ name: 'a', state: { running: { startedAt: '2026-01-01T00:00:01Z' } } }],
  },
} as unknown as Pod

describe('the use of processors and memory', () => {
  it('is what was used between two measurements', async () => {
    const meter = await meterOf([stats('a', 'web', 100, 1)], [stats('a', 'web', 110, 3.5)])
    expect(meter.last?.containers).toMatchObject([
      { name: 'a', podUID: 'uid-web', nanoCores: 250_000_000, workingSetBytes: 5 << 20 },
    ])
  })

  it('is recorded of pods whose containers were all measured twice, and of no strangers', async () => {
    const first = [stats('a', 'web', 100, 1), stats('x', '', 100, 1), stats('n', 'new', 100, 0)]
    const second = [
      ...[stats('a', 'web', 110, 2), stats('x', '', 110, 1)],
      ...[stats('n', 'new', 110, 1), stats('m', 'new', 110, 1)],
    ]
    const { last } = await meterOf(first, second)
    expect(recordOf(last!)['pods']).toEqual([
      { uid: 'uid-web', containers: [{ name: 'a', usage: { cpu: '100000000n', memory: '5120Ki' } }] },
    ])
  })

  it('is told as kubelets do, by /stats/summary and /metrics/resource', async () => {
    const meter = await meterOf(
      [stats('a', 'web', 100, 1), stats('b', 'web', 100, 1)],
      [stats('a', 'web', 110, 2), stats('b', 'web', 110, 3)],
    )
    const documents = statsDocuments({ nodeName: 'n', dataDirectory: '/', meter, pods: () => [pod] })
    const summary = JSON.parse((await documents['/stats/summary']!()).body)
    expect(summary).toMatchObject({
      node: { nodeName: 'n', fs: { capacityBytes: expect.any(Number) } },
      pods: [
        {
          podRef: { name: 'web', namespace: 'default', uid: 'uid-web' },
          startTime: '2026-01-01T00:00:00Z',
          cpu: { usageNanoCores: 300_000_000, usageCoreNanoSeconds: 5_000_000_000 },
          memory: { workingSetBytes: 10 << 20 },
          containers: [{ name: 'a', startTime: '2026-01-01T00:00:01Z' }, { name: 'b' }],
        },
      ],
    })
    const { body } = await documents['/metrics/resource']!()
    expect(body).toContain('container_cpu_usage_seconds_total{container="a",namespace="default",pod="web"} 2 110000\n')
    expect(body).toContain(`pod_memory_working_set_bytes{namespace="default",pod="web"} ${10 << 20} 110000\n`)
    expect(body).toContain('# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total ')
  })

  it('of the node is read from what the kernel counts', () => {
    expect(busyNanoseconds('cpu  10 5 20 1000 50 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n')).toBe(41e7)
    const text = 'MemTotal:  1000 kB\nMemFree:  300 kB\nInactive(file):  200 kB\nAnonPages:  100 kB\n'
    expect(memoryOf(text)).toEqual({ usageBytes: 716_800, workingSetBytes: 512_000, rssBytes: 102_400 })
  })
})
