import { SeededRandom } from '@binnacle/testing'
import { describe, expect, it } from 'vitest'
import { ClusterState } from '../cluster-state.ts'
import { DefaultSelectors } from '../default-selector.ts'
import { fitErrorMessage } from '../fit-error.ts'
import { pluginArgsDefaults } from '../plugin-args.ts'
import { defaultProfile } from '../profile.ts'
import { testHandle } from './test-handle.ts'
import { type Decision, NodePicker } from '../schedule-one.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'
import { randomArgs, randomNode, randomPod } from './random-cluster.ts'
import { referenceFilter, referenceScores, type ReferenceNode, type ReferenceSelectors } from './reference-scheduler.ts'

/** Labels of the namespaces that random pods are in. */
const namespaces = { one: { team: 'red' }, two: { team: 'blue' } }

const seeds = Array.from({ length: 60 }, (_, i) => i + 1)

interface RandomCluster {
  readonly random: SeededRandom
  readonly cluster: ClusterState
  readonly defaults: DefaultSelectors
  readonly selectors: ReferenceSelectors
  readonly nodes: readonly ReferenceNode[]
}

/** The same cluster twice: in flat arrays, reached by way of many changes, and as plain lists. */
function randomCluster(seed: number): RandomCluster {
  const random = new SeededRandom(seed)
  const cluster = new ClusterState()
  const names = Array.from({ length: 5 + random.below(80) }, (_, i) => `node-${i}`)
  cluster.setNamespace('two', { team: 'red' })
  // Pods may be known before their node; nodes and pods that come, change and go again leave no trace.
  const placed = names.flatMap((nodeName) =>
    Array.from({ length: random.below(5) }, (_, i) => ({ nodeName, pod: randomPod(random, `${nodeName}-pod-${i}`) })),
  )
  for (const { nodeName, pod } of placed.slice(0, placed.length / 2)) cluster.place(pod, nodeName, { assumed: false })
  for (const name of names) if (random.chance(0.5)) cluster.table.setNode(randomNode(random, name))
  for (const name of names) if (random.chance(0.2)) cluster.table.removeNode(name)
  cluster.place(randomPod(random, 'passing'), 'gone', { assumed: true })
  for (const { nodeName, pod } of placed)
    cluster.place(randomPod(random, pod.metadata.name), nodeName, { assumed: true })
  for (const { nodeName, pod } of placed) cluster.place(pod, nodeName, { assumed: false })
  cluster.unplace('passing')
  for (const [name, labels] of Object.entries(namespaces)) cluster.setNamespace(name, labels)
  const nodes = names.map((name) => {
    const node = randomNode(random, name)
    cluster.table.setNode(node)
    return { node, pods: placed.filter((p) => p.nodeName === name).map((p) => p.pod) }
  })
  return { random, cluster, nodes, ...groupings() }
}

function groupings(): { defaults: DefaultSelectors; selectors: ReferenceSelectors } {
  const defaults = new DefaultSelectors()
  for (const namespace of ['one', 'two']) {
    defaults.set('Service', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace },
      spec: { selector: { app: 'web' } },
    })
    const selector = { matchLabels: { app: 'db' } }
    defaults.set('ReplicaSet', {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'db', namespace },
      spec: { selector },
    })
  }
  return { defaults, selectors: { services: [{ app: 'web' }], controllers: { 'ReplicaSet/db': { app: 'db' } } } }
}

const configurations = [
  { name: 'with the default arguments', argsOf: () => pluginArgsDefaults },
  { name: 'with arguments of all sorts', argsOf: (seed: number) => randomArgs(new SeededRandom(seed)) },
]

describe.each(configurations)('the fast plugins $name', ({ argsOf }) => {
  it.each(seeds)('filter as the plain ones do, and for the same reasons (seed %i)', (seed) => {
    const { random, cluster, defaults, selectors, nodes } = randomCluster(seed)
    const setting = { namespaces, selectors, args: argsOf(seed) }
    const { filters } = defaultProfile(testHandle(cluster, defaults), 'default-scheduler', [], setting.args)
    for (let i = 0; i < 10; i++) {
      const pod = randomPod(random, `pod-${i}`)
      expect(fastVerdicts(cluster, filters, pod)).toEqual(
        Object.fromEntries(
          nodes.map((n) => [n.node.metadata.name, inOrder(referenceFilter(pod, n, nodes, setting)) ?? 'fits']),
        ),
      )
    }
  })

  it.each(seeds)('score as the plain ones do (seed %i)', (seed) => {
    const { random, cluster, defaults, selectors, nodes } = randomCluster(seed)
    const setting = { namespaces, selectors, args: argsOf(seed) }
    const { scores } = defaultProfile(testHandle(cluster, defaults), 'default-scheduler', [], setting.args)
    for (let i = 0; i < 10; i++) {
      const pod = randomPod(random, `pod-${i}`)
      const candidates = nodes.filter(() => random.chance(0.6))
      const expected = referenceScores(pod, candidates, nodes, setting)
      const cycle = { cluster, pod, shape: cluster.shapes.shapeOf(pod) }
      const slots = Int32Array.from(candidates, (c) => cluster.table.slotOf(c.node.metadata.name))
      cycle.shape.rules.refresh(cluster.table, slots, slots.length)
      for (const { plugin } of scores) {
        const fast = new Float64Array(slots.length)
        if (plugin.preScore(cycle, slots, slots.length) === 'score') plugin.score(cycle, slots, slots.length, fast)
        expect({ plugin: plugin.name, scores: differences(fast) }).toEqual({
          plugin: plugin.name,
          scores: differences(expected[plugin.name] ?? []),
        })
      }
    }
  })

  it.each(seeds)('together find a node exactly when there is one, among the best (seed %i)', (seed) => {
    const { random, cluster, defaults, selectors, nodes } = randomCluster(seed)
    const setting = { namespaces, selectors, args: argsOf(seed) }
    const profile = defaultProfile(testHandle(cluster, defaults), 'default-scheduler', [], setting.args)
    const picker = new NodePicker(cluster, { percentageOfNodesToScore: 100, random: () => random.next() })
    for (let i = 0; i < 10; i++) {
      const pod = randomPod(random, `pod-${i}`)
      const feasible = nodes.filter((n) => referenceFilter(pod, n, nodes, setting) === undefined)
      const byPlugin = referenceScores(pod, feasible, nodes, setting)
      const totals = feasible.map((_, n) =>
        profile.scores.reduce((sum, { plugin, weight }) => sum + weight * (byPlugin[plugin.name]?.[n] ?? 0), 0),
      )
      const best = feasible.filter((_, n) => totals[n] === Math.max(...totals)).map((n) => n.node.metadata.name)
      const decision = picker.pick(pod, cluster.shapes.shapeOf(pod), profile)
      if (decision.kind === 'fits') expect(best).toContain(decision.nodeName)
      else expect(best).toEqual([])
    }
  })

  it.each(seeds)('leave to others to judge the nodes that fit, and reckon with what they say (seed %i)', (seed) => {
    const { random, cluster, defaults, selectors, nodes } = randomCluster(seed)
    const setting = { namespaces, selectors, args: argsOf(seed) }
    const profile = defaultProfile(testHandle(cluster, defaults), 'default-scheduler', [], setting.args)
    const picker = new NodePicker(cluster, { percentageOfNodesToScore: 100, random: () => random.next() })
    for (let i = 0; i < 5; i++) {
      const pod = randomPod(random, `pod-${i}`)
      const shape = cluster.shapes.shapeOf(pod)
      const verdicts = new Map(nodes.map((n) => [n.node.metadata.name, referenceFilter(pod, n, nodes, setting)]))
      const feasible = nodes.filter((n) => verdicts.get(n.node.metadata.name) === undefined)
      const names = feasible.map((n) => n.node.metadata.name)
      const found = picker.search(pod, shape, profile)
      if (found.kind !== 'found') {
        expect([names, found]).toMatchObject([[], { message: messageOf(picker.pick(pod, shape, profile)) }])
        continue
      }
      expect(found.nodeNames.toSorted()).toEqual(names.toSorted())
      const byPlugin = referenceScores(pod, feasible, nodes, setting)
      const outside = new Map(names.map((name) => [name, random.below(300)]))
      const totals = names.map((name, n) =>
        profile.scores.reduce(
          (sum, { plugin, weight }) => sum + weight * (byPlugin[plugin.name]?.[n] ?? 0),
          outside.get(name) as number,
        ),
      )
      const best = names.filter((_, n) => totals[n] === Math.max(...totals))
      expect(best).toContain(messageOf(picker.chooseAmong(pod, shape, profile, found.nodeNames, outside)))
      const no = new Map(names.map((name) => [name, { reason: 'said no', mayYield: random.chance(0.5) }]))
      const told = messageOf(picker.explain(pod, shape, profile, found, no))
      const reasons = [...verdicts.values()].flatMap((verdict) => verdict?.reasons ?? ['said no'])
      const counts = new Map(reasons.map((reason) => [reason, reasons.filter((r) => r === reason).length]))
      // Nodes that preFilters leave out from the start are told of in other words.
      if (!told.includes("didn't satisfy plugin(s)")) expect(told).toBe(fitErrorMessage(nodes.length, counts))
    }
  })
})

const messageOf = (decision: Decision | undefined): string =>
  decision === undefined ? '' : decision.kind === 'fits' ? decision.nodeName : decision.message

/** Scores as they compare: a plugin that says nothing and one that says the same of all are one. */
function differences(scores: ArrayLike<number>): number[] {
  const list = Array.from(scores)
  const least = Math.min(...list)
  return list.every((s) => s === least) ? list.map(() => 0) : list
}

type Verdict = { readonly plugin: string; readonly reasons: readonly string[] } | undefined

function inOrder(verdict: Verdict): Verdict {
  return verdict && { ...verdict, reasons: [...verdict.reasons].sort() }
}

type Filters = ReturnType<typeof defaultProfile>['filters']

function fastVerdicts(cluster: ClusterState, filters: Filters, pod: SchedulablePod): Record<string, unknown> {
  const cycle = { cluster, pod, shape: cluster.shapes.shapeOf(pod) }
  const slots = cluster.table.order().slice()
  cycle.shape.rules.refresh(cluster.table, slots, slots.length)
  const verdicts: Record<string, unknown> = {}
  let count = slots.length
  for (const plugin of filters) {
    if (plugin.preFilter(cycle) === 'skip') continue
    const before = [...slots.subarray(0, count)]
    count = plugin.filter(cycle, slots, count)
    const kept = new Set(slots.subarray(0, count))
    for (const slot of before) {
      if (kept.has(slot)) continue
      verdicts[cluster.table.names[slot] as string] = inOrder({
        plugin: plugin.name,
        reasons: plugin.reasons(cycle, slot),
      })
    }
  }
  for (const slot of slots.subarray(0, count)) verdicts[cluster.table.names[slot] as string] = 'fits'
  return verdicts
}
