import type { Pod, Taint, Toleration } from '@binnacle/resources'
import { aPod } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { sufferingSinceMs, toleratedMs } from './plan.ts'

const forever = Number.POSITIVE_INFINITY
const lost: Taint = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }
const sick: Taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }
const bears = (taint: Taint, tolerationSeconds?: number): Toleration => ({
  key: taint.key,
  operator: 'Exists',
  effect: 'NoExecute',
  ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
})

function podWith(tolerations: Toleration[]): Pod {
  const pod = aPod()
  return { ...pod, spec: { ...(pod.spec as NonNullable<Pod['spec']>), tolerations } }
}

describe('toleratedMs', () => {
  it.each<[string, Toleration[], Taint[], number]>([
    ['one taint and no toleration', [], [lost], 0],
    ['a toleration for good', [bears(lost)], [lost], forever],
    ['a toleration for a while', [bears(lost, 300)], [lost], 300_000],
    ['the shortest of several', [bears(lost, 300), bears(sick, 60)], [lost, sick], 60_000],
    ['one of two taints tolerated', [bears(lost, 300)], [lost, sick], 0],
    ['tolerated for good and for a while', [bears(lost), bears(lost, 30)], [lost], 30_000],
    ['a negative time', [bears(lost, -1)], [lost], 0],
    ['everything tolerated', [{ operator: 'Exists' }], [lost, sick], forever],
    ['no taint', [], [], forever],
  ])('with %s', (_, tolerations, taints, ms) => {
    expect(toleratedMs(podWith(tolerations), taints)).toBe(ms)
  })
})

describe('sufferingSinceMs', () => {
  const at = (second: number): string => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`
  const nowMs = Date.parse(at(50))
  const created = (second: number): Pod => {
    const pod = aPod()
    return { ...pod, metadata: { ...pod.metadata, creationTimestamp: at(second) } }
  }

  it.each([
    ['the first taint, for a pod that was there', 5, [20, 10], 10],
    ['the creation of a pod that came later', 30, [20], 30],
    ['now, where the taint does not say', 5, [], 50],
  ])('is the time of %s', (_, createdAt, addedAt, expected) => {
    const taints = addedAt.map((second) => ({ ...lost, timeAdded: at(second) }))
    expect(sufferingSinceMs(created(createdAt), taints.length === 0 ? [lost] : taints, nowMs)).toBe(
      Date.parse(at(expected)),
    )
  })
})
