import { describe, expect, it } from 'vitest'
import { podRequests } from './pod-requests.ts'
import { amountOf } from './resource-amounts.ts'
import type { SchedulablePod } from './scheduled-objects.ts'

const pod = (spec: SchedulablePod['spec'], status?: NonNullable<SchedulablePod['status']>): SchedulablePod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec,
  ...(status === undefined ? {} : { status }),
})

const container = (name: string, cpu?: string, restartPolicy?: string) => ({
  name,
  resources: { requests: cpu === undefined ? {} : { cpu } },
  ...(restartPolicy === undefined ? {} : { restartPolicy }),
})

/** The status of container `a`, of which nothing is known yet. */
const unknown = { name: 'a', image: '', imageID: '', ready: false, restartCount: 0 }

const cpuOf = (p: SchedulablePod): number | undefined => podRequests(p).requests.get('cpu')

describe('amounts', () => {
  it.each([
    ['cpu', '100m', 100],
    ['cpu', '0.1', 100],
    ['cpu', 2, 2000],
    ['cpu', '1500u', 2],
    ['memory', '1Gi', 1_073_741_824],
    ['memory', '1e3', 1000],
    ['memory', '1.5k', 1500],
    ['memory', '100m', 1],
    ['memory', '12E', 12e18],
    ['pods', '110', 110],
    ['memory', 'much', 0],
  ])('of %s: %s is %s', (resource, quantity, amount) => {
    expect(amountOf(resource, quantity)).toBe(amount)
  })
})

describe('the requests of a pod', () => {
  it('are the sum of its containers', () => {
    expect(cpuOf(pod({ containers: [container('a', '1'), container('b', '500m')] }))).toBe(1500)
  })

  it('are at least what its greatest init container takes', () => {
    expect(cpuOf(pod({ containers: [container('a', '1')], initContainers: [container('i', '3')] }))).toBe(3000)
  })

  it('count sidecars beside the containers, and beside the init containers after them', () => {
    const initContainers = [container('s', '1', 'Always'), container('i', '4')]
    expect(cpuOf(pod({ containers: [container('a', '1')], initContainers }))).toBe(5000)
    expect(cpuOf(pod({ containers: [container('a', '5')], initContainers }))).toBe(6000)
  })

  it('add the overhead', () => {
    expect(cpuOf(pod({ containers: [container('a', '1')], overhead: { cpu: '250m' } }))).toBe(1250)
  })

  it('are those of the pod level where it has them', () => {
    expect(cpuOf(pod({ containers: [container('a', '1')], resources: { requests: { cpu: '3' } } }))).toBe(3000)
  })

  it('assume an amount for containers that name none, for scoring only', () => {
    const { requests, nonZeroCpu, nonZeroMemory } = podRequests(
      pod({ containers: [container('a', '1'), container('b')] }),
    )
    expect([requests.get('cpu'), nonZeroCpu, nonZeroMemory]).toEqual([1000, 1100, 2 * 200 * 1024 * 1024])
  })

  it('are the greater of old and new during a resize', () => {
    const statuses = [{ ...unknown, resources: { requests: { cpu: '4' } }, allocatedResources: { cpu: '2' } }]
    expect(cpuOf(pod({ containers: [container('a', '1')] }, { containerStatuses: statuses }))).toBe(4000)
  })

  it('leave out a resize that can never happen', () => {
    const statuses = [{ ...unknown, allocatedResources: { cpu: '2' } }]
    const conditions = [{ type: 'PodResizePending', status: 'True', reason: 'Infeasible' }]
    expect(cpuOf(pod({ containers: [container('a', '64')] }, { containerStatuses: statuses, conditions }))).toBe(2000)
  })
})
