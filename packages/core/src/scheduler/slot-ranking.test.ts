import { SeededRandom } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { ClusterState } from './cluster-state.ts'
import { DefaultSelectors } from './default-selector.ts'
import { defaultProfile } from './profile.ts'
import { randomNode, randomPod } from './reference/random-cluster.ts'
import { testHandle } from './reference/test-handle.ts'
import type { SchedulableNode, SchedulablePod } from './scheduled-objects.ts'
import { type Decision, NodePicker } from './schedule-one.ts'
import { SlotRankings } from './slot-ranking.ts'

const seeds = Array.from({ length: 40 }, (_, i) => i + 1)

/** A few shapes that come again and again, plain ones among them. */
function templates(random: SeededRandom): SchedulablePod[] {
  const plain = ['100m', '1', '3'].map((cpu): SchedulablePod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'plain', namespace: 'one' },
    spec: { containers: [{ name: 'a', resources: { requests: { cpu, memory: '1Gi' } } }] },
  }))
  return [...plain, ...Array.from({ length: 4 }, (_, i) => randomPod(random, `template-${i}`))]
}

function named(template: SchedulablePod, random: SeededRandom, name: string) {
  const priority = random.chance(0.5) ? 0 : 10
  const metadata = { ...template.metadata, name, uid: `uid-${name}` }
  return { ...template, metadata, spec: { ...template.spec, priority } }
}

const nodeOf = (name: string): SchedulableNode => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' } },
})

/** What of a decision may not differ. */
function essence(decision: Decision): unknown {
  if (decision.kind === 'fits') return { node: decision.nodeName, evaluated: decision.evaluated }
  const yielding = [...(decision.failed?.search.yielding ?? [])].sort((a, b) => a - b)
  return { message: decision.message, rejectors: decision.rejectors, yielding }
}

describe('remembered rankings', () => {
  it.each(seeds)('decide as if every node were looked at anew (seed %i)', (seed) => {
    const random = new SeededRandom(seed)
    const cluster = new ClusterState()
    const handle = testHandle(cluster, new DefaultSelectors())
    const remembered = defaultProfile(handle)
    const options = { percentageOfNodesToScore: random.chance(0.5) ? 100 : 0, random: () => 0.4 }
    const [fast, plain] = [new NodePicker(cluster, options), new NodePicker(cluster, options)]
    const pods = templates(random)
    const nodeCount = random.chance(0.5) ? 20 : 250
    for (let i = 0; i < nodeCount; i++) cluster.table.setNode(randomNode(random, `node-${i}`))
    const placed: string[] = []
    for (let step = 0; step < 120; step++) {
      const name = `node-${random.below(nodeCount + 3)}`
      if (random.chance(0.15)) cluster.table.setNode(randomNode(random, name))
      if (random.chance(0.05)) cluster.table.removeNode(name)
      if (random.chance(0.1) && placed.length > 0)
        cluster.unplace(placed.splice(random.below(placed.length), 1)[0] as string)
      if (random.chance(0.2)) {
        const promised = named(pods[random.below(pods.length)] as SchedulablePod, random, `promised-${random.below(6)}`)
        cluster.nominations.set(promised, cluster.shapes.shapeOf(promised), name)
      }
      if (random.chance(0.05)) cluster.nominations.delete(`uid-promised-${random.below(6)}`)
      const pod = named(pods[random.below(pods.length)] as SchedulablePod, random, `pod-${step}`)
      const shape = cluster.shapes.shapeOf(pod)
      const decision = fast.pick(pod, shape, remembered)
      // A profile of its own has seen no shape before.
      expect(essence(decision)).toEqual(essence(plain.pick(pod, shape, defaultProfile(handle))))
      if (decision.kind !== 'fits') continue
      cluster.place(pod, decision.nodeName, { assumed: true })
      placed.push(pod.metadata.uid)
    }
  })

  it('are kept of shapes that come again, as long as each node can be judged by itself', () => {
    const cluster = new ClusterState()
    const profile = defaultProfile(testHandle(cluster, new DefaultSelectors()))
    const rankings = new SlotRankings(profile)
    const cycleOf = (pod: SchedulablePod) => ({ cluster, pod, shape: cluster.shapes.shapeOf(pod) })
    const [plain] = templates(new SeededRandom(1)) as [SchedulablePod]
    cluster.table.setNode(nodeOf('a'))
    const fit = [profile.filters.findIndex(({ name }) => name === 'NodeResourcesFit')]
    expect(rankings.of(cycleOf(plain), fit)).toBeUndefined()
    expect(rankings.of(cycleOf(plain), fit)?.totals[0]).toBeGreaterThan(0)
    cluster.table.setNode({ ...nodeOf('b'), spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } })
    expect(rankings.of(cycleOf(plain), fit)).toBeUndefined()
  })
})
