import { SeededRandom } from '@binnacle/testing'
import type { PodDisruptionBudget } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { ClusterState } from '../cluster-state.ts'
import { DefaultSelectors } from '../default-selector.ts'
import { DefaultPreemption, type PreemptionCandidate } from '../plugins/default-preemption.ts'
import { defaultProfile } from '../profile.ts'
import { NodePicker } from '../schedule-one.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'
import { randomNode, randomPod } from './random-cluster.ts'
import { plainSetting, referenceFilter, type ReferenceNode } from './reference-scheduler.ts'
import { testHandle } from './test-handle.ts'

const seeds = Array.from({ length: 60 }, (_, i) => i + 1)
const everyNode = { minCandidateNodesPercentage: 100, minCandidateNodesAbsolute: 100 }

function randomRanked(random: SeededRandom, name: string): SchedulablePod {
  const pod = randomPod(random, name)
  pod.spec.priority = random.below(4) * 10
  pod.status = { startTime: `2026-01-01T00:00:0${random.below(10)}Z` }
  return pod
}

const budgets: readonly PodDisruptionBudget[] = ['one', 'two'].map((namespace) => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: 'web', namespace },
  spec: { selector: { matchLabels: { app: 'web' } } },
  status: { disruptionsAllowed: 1, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
}))

const priority = (pod: SchedulablePod): number => pod.spec.priority ?? 0
const started = (pod: SchedulablePod): number => Date.parse(pod.status?.startTime ?? '')
const importance = (a: SchedulablePod, b: SchedulablePod): number =>
  priority(b) - priority(a) || started(a) - started(b)

interface PlainCandidate {
  readonly victims: readonly SchedulablePod[]
  readonly violations: number
}

/** Which pods must leave the node, worked out on plain lists; undefined where that does not help. */
function plainVictims(
  pod: SchedulablePod,
  node: ReferenceNode,
  nodes: readonly ReferenceNode[],
): PlainCandidate | undefined {
  const lower = node.pods.filter((p) => priority(p) < priority(pod)).sort(importance)
  const fitsWith = (kept: readonly SchedulablePod[]): boolean => {
    const left = { node: node.node, pods: [...node.pods.filter((p) => !lower.includes(p)), ...kept] }
    const all = nodes.map((n) => (n === node ? left : n))
    return referenceFilter(pod, left, all, plainSetting) === undefined
  }
  if (lower.length === 0 || !fitsWith([])) return undefined
  const seen = { one: 0, two: 0 }
  const violating = lower.filter(
    (p) => p.metadata.labels?.app === 'web' && ++seen[p.metadata.namespace as 'one' | 'two'] > 1,
  )
  const kept: SchedulablePod[] = []
  for (const p of [...violating, ...lower.filter((l) => !violating.includes(l))])
    if (fitsWith([...kept, p])) kept.push(p)
  const victims = lower.filter((p) => !kept.includes(p))
  return { victims, violations: victims.filter((v) => violating.includes(v)).length }
}

/** What kube-scheduler compares candidates by, in order. */
function harm({ victims, violations }: PlainCandidate): number[] {
  const [first] = victims
  const highest = first === undefined ? 0 : priority(first)
  const oldest = Math.min(...victims.filter((v) => priority(v) === highest).map(started))
  return [violations, highest, victims.reduce((sum, v) => sum + priority(v) + 2 ** 31, 0), victims.length, -oldest]
}

const compare = (a: readonly number[], b: readonly number[]): number =>
  a.map((value, i) => value - (b[i] as number)).find((difference) => difference !== 0) ?? 0

describe('preemption', () => {
  it.each(seeds)('evicts as few and as unimportant pods as the plain one does (seed %i)', (seed) => {
    const random = new SeededRandom(seed)
    const cluster = new ClusterState()
    const nodes: ReferenceNode[] = Array.from({ length: 3 + random.below(12) }, (_, i) => {
      const node = randomNode(random, `node-${i}`)
      cluster.table.setNode(node)
      const pods = Array.from({ length: random.below(8) }, (_p, p) => randomRanked(random, `pod-${i}-${p}`))
      for (const pod of pods) cluster.place(pod, node.metadata.name, { assumed: false })
      return { node, pods }
    })
    const profile = { ...defaultProfile(testHandle(cluster, new DefaultSelectors())) }
    const picker = new NodePicker(cluster)
    for (let i = 0; i < 15; i++) {
      const pod = randomRanked(random, `new-${i}`)
      const decision = picker.pick(pod, cluster.shapes.shapeOf(pod), profile)
      if (decision.kind === 'fits' || decision.failed === undefined) continue
      const before = countsOf(cluster)
      let chosen: PreemptionCandidate | undefined
      const evict = (_: SchedulablePod, candidate: PreemptionCandidate): void => void (chosen = candidate)
      const plugin = new DefaultPreemption(everyNode, { budgets: () => budgets, random: () => random.next(), evict })
      const { search } = decision.failed
      plugin.postFilter(decision.failed.cycle, search).eviction?.go()
      const plain = nodes.flatMap((node) => {
        const isYielding = search.yielding.includes(cluster.table.slotOf(node.node.metadata.name))
        const found = isYielding ? plainVictims(pod, node, nodes) : undefined
        return found === undefined ? [] : [{ name: node.node.metadata.name, found }]
      })
      expect(countsOf(cluster)).toEqual(before)
      if (plain.length === 0) {
        expect(chosen).toBeUndefined()
        continue
      }
      const best = plain.map(({ found }) => harm(found)).sort(compare)[0]
      const same = plain.find(({ name }) => name === cluster.table.names[chosen?.slot ?? -1])
      expect(same && harm(same.found)).toEqual(best)
      expect(chosen?.victims.map((v) => v.uid).sort()).toEqual(same?.found.victims.map((v) => v.metadata.uid).sort())
    }
  })
})

/** What the flat arrays count. */
function countsOf({ table }: ClusterState): unknown {
  return [[...table.podCount], table.requested.map((column) => [...column])]
}
