import type { Pod } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import type { PodUsage } from './metrics-source.ts'
import { proposeReplicas, type ResourceTarget } from './replica-count.ts'

const nowMs = Date.UTC(2026, 0, 1, 1)
const half: ResourceTarget = { resource: 'cpu', averageUtilization: 50 }
const tolerances = { up: 0.1, down: 0.1 }

function running(name: string, change: (pod: Pod) => void = () => undefined): Pod {
  const pod = aPod({ name, ready: true, sinceTime: '2026-01-01T00:00:00Z' })
  pod.spec = { containers: [{ name: 'app', image: 'i', resources: { requests: { cpu: '1' } } }] }
  pod.status = { ...pod.status, startTime: '2026-01-01T00:00:00Z' }
  change(pod)
  return pod
}
const using = (milli: number, containers: readonly string[] = ['app']): PodUsage => ({
  atMs: nowMs,
  windowMs: 30_000,
  containers: new Map(containers.map((name) => [name, new Map([['cpu', milli]])])),
})

/** Pods named a, b, c … of which each uses what is given; undefined: not measured. */
function propose(current: number, usages: readonly (number | undefined)[], target = half, pods?: readonly Pod[]) {
  const names = usages.map((_, index) => String.fromCodePoint(97 + index))
  const usage = new Map(
    names.flatMap((name, index) => {
      const milli = usages[index]
      return milli === undefined ? [] : [[name, using(milli)] as const]
    }),
  )
  return proposeReplicas(current, target, tolerances, {
    pods: pods ?? names.map((name) => running(name)),
    usage,
    nowMs,
  })
}

describe('proposeReplicas', () => {
  it.each([
    ['doubles when usage is twice the target', 3, [1000, 1000, 1000], 6],
    ['rounds up', 3, [700, 600, 600], 4],
    ['halves when usage is half the target', 4, [250, 250, 250, 250], 2],
    ['stays within the tolerance', 3, [540, 540, 540], 3],
    ['asks for none when nothing is used', 3, [0, 0, 5], 0],
    ['takes pods that are not measured as idle on the way up', 3, [1500, 1500, undefined], 6],
    ['takes pods that are not measured as busy on the way down', 4, [100, 100, 100, undefined], 3],
    ['stays where the unmeasured turn the direction', 2, [400, undefined], 2],
  ] as const)('%s', (_name, current, usages, replicas) => {
    expect(propose(current, usages).replicas).toBe(replicas)
  })

  it('tells utilization in percent and usage in thousandths', () => {
    expect(propose(2, [300, 500])).toEqual({ replicas: 2, utilization: 40, averageMilliValue: 400 })
  })

  it('compares with a plain amount where that is the target', () => {
    const target = { resource: 'cpu', averageMilliValue: 200 }
    expect(propose(2, [500, 300], target)).toEqual({ replicas: 4, averageMilliValue: 400 })
  })

  it('does not count what is starting, ending or has failed', () => {
    const pods = [
      running('a'),
      running('b', (pod) => void (pod.status = { phase: 'Pending' })),
      running('c', (pod) => void (pod.metadata.deletionTimestamp = '2026-01-01T01:00:00Z')),
      running('d', (pod) => void (pod.status = { phase: 'Failed' })),
    ]
    // Of two pods that count, the one that is starting is taken as idle.
    expect(propose(2, [1500, 9000, 9000, 9000], half, pods).replicas).toBe(3)
  })

  it('does not believe the CPU usage of a pod that has just become ready', () => {
    const fresh = running('b', (pod) => {
      const since = '2026-01-01T00:59:50Z'
      const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: since }]
      pod.status = { ...pod.status, startTime: '2026-01-01T00:59:00Z', conditions }
    })
    expect(propose(2, [500, 9000], half, [running('a'), fresh]).replicas).toBe(2)
  })

  it('looks at one container only where the target names one', () => {
    const usage = new Map([['a', using(100, ['app', 'proxy'])]])
    const of = (target: ResourceTarget) =>
      proposeReplicas(1, target, tolerances, { pods: [running('a')], usage, nowMs }).utilization
    expect(of({ ...half, container: 'app' })).toBe(10)
    expect(of(half)).toBe(20)
  })

  it.each([
    ['nothing is measured', [], undefined, 'no metrics returned from resource metrics API'],
    ['there are no pods', [1], [], 'no pods returned by selector while calculating replica count'],
    [
      'a container asks for nothing',
      [1],
      [running('a', (pod) => void (pod.spec = { containers: [{ name: 'app', image: 'i' }] }))],
      'missing request for cpu in container app of Pod a',
    ],
    [
      'no pod is ready',
      [1],
      [running('a', (pod) => void (pod.status = { phase: 'Pending' }))],
      'did not receive metrics for targeted pods (pods might be unready)',
    ],
  ])('cannot tell when %s', (_name, usages, pods, message) => {
    expect(() => propose(1, usages, half, pods)).toThrow(message)
  })
})
