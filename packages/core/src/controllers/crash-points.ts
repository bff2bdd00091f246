import { isDeepStrictEqual } from 'node:util'
import { expired, type KubernetesObject } from '@binnacle/apimachinery'
import type { ExtensibleRegistry, ResourceDefinition } from '@binnacle/resources'
import { type FakeCluster, SeededRandom } from '@binnacle/testing'
import { expect, vi } from 'vitest'
import type { Controller, Runnable } from '../controller.ts'
import { ControllerBench } from './controller-bench.ts'

/**
 * A story that controllers have to bring to the same end whatever happens meanwhile.
 *
 *     const scenario: Scenario = {
 *       controllers: () => [replicaSetController()],
 *       compares: [replicaSets, pods],
 *       async run(bench) {
 *         bench.cluster.seed(replicaSets, aReplicaSet({ replicas: 3 }))
 *         await bench.start()
 *         bench.runPods()
 *         await bench.settle()
 *       },
 *     }
 *     it('reaches the same end wherever it is killed', () => expectSameEndWhereverKilled(scenario))
 *     it('reaches the same end on stale views', () => expectSameEndOnStaleViews(scenario, [1, 2, 3]))
 */
export interface Scenario {
  /** Makes the controllers: called for each start, so that what they remember dies with them. */
  controllers(): readonly Controller[]
  runnables?(): readonly Runnable[]
  /** Gets the custom kinds that the story defines; the same that the controllers are made with. */
  readonly registry?: ExtensibleRegistry
  /**
   * Does what users and node agents do. It must leave the controllers enough rounds for the story to end: a crash or a stale view may cost some. Time
   * is fake. Only calls of the bench may be awaited.
   */
  run(bench: ControllerBench): Promise<void>
  /** What is compared at the end: everything of these resources but uids, versions, times, addresses and generated names. */
  readonly compares: readonly ResourceDefinition<any>[]
  /** Names of more fields that may differ, wherever they stand. */
  readonly ignores?: readonly string[]
  /** Called at each step of time: throws where something is broken that must hold always. */
  onStep?(cluster: FakeCluster): void
}

const beginMs = Date.UTC(2026, 0, 1)
// More writes than this in one story would make the test slow: each is a run of its own.
const crashPointsMax = 400

/**
 * Runs the story once undisturbed; then once for each of its writes, with the controllers killed right after that write and new ones started in their
 * place; then once more with a kill after every single write. Each run has to end as the first did.
 */
export async function expectSameEndWhereverKilled(scenario: Scenario): Promise<void> {
  const undisturbed = await runStory(scenario, {})
  const count = undisturbed.writes.length
  if (count > crashPointsMax) throw new Error(`${count} writes are too many for one story`)
  for (let nth = 1; nth <= count; nth++) {
    const { end } = await runStory(scenario, { killAfter: nth })
    if (!isDeepStrictEqual(end, undisturbed.end))
      expect(end, `killed after write ${nth}, ${undisturbed.writes[nth - 1]}`).toEqual(undisturbed.end)
  }
  const { end } = await runStory(scenario, { killAfter: 1, again: true })
  expect(end, 'killed after every write').toEqual(undisturbed.end)
}

/**
 * Runs the story once undisturbed, then once for each seed with watches that lag behind by chance, each on its own, and sometimes skip what happened in
 * between. Each run has to end as the first did.
 */
export async function expectSameEndOnStaleViews(scenario: Scenario, seeds: readonly number[]): Promise<void> {
  const undisturbed = await runStory(scenario, {})
  for (const seed of seeds) {
    const { end } = await runStory(scenario, { seed })
    expect(end, `stale views of seed ${seed}`).toEqual(undisturbed.end)
  }
}

interface Disturbance {
  readonly killAfter?: number
  /** Kill the successors after as many writes, too. */
  readonly again?: boolean
  readonly seed?: number
}

async function runStory(
  scenario: Scenario,
  { killAfter, again, seed }: Disturbance,
): Promise<{ end: unknown; writes: readonly string[] }> {
  vi.useFakeTimers({ now: beginMs })
  const random = new SeededRandom(seed ?? 0)
  const bench = new ControllerBench({
    controllers: () => scenario.controllers(),
    runnables: () => scenario.runnables?.() ?? [],
    ...(scenario.registry === undefined ? {} : { registry: scenario.registry }),
    ...(seed === undefined ? {} : { holdWatches: true, deliver: (cluster) => deliverSome(cluster, random) }),
    onStep: (cluster) => scenario.onStep?.(cluster),
    onRestart: (cluster) => {
      if (again === true && killAfter !== undefined) cluster.cutOffAfter(killAfter)
    },
  })
  if (killAfter !== undefined) bench.cluster.cutOffAfter(killAfter)
  const writes = bench.writesFromHere()
  try {
    await scenario.run(bench)
    const ignored = new Set([...passing, ...(scenario.ignores ?? [])])
    const end = scenario.compares.map((resource) => comparable(bench.cluster.all(resource), ignored))
    return { end, writes: writes() }
  } finally {
    bench.cluster.reconnect()
    await bench.stop()
    vi.useRealTimers()
  }
}

function deliverSome(cluster: FakeCluster, random: SeededRandom): void {
  if (random.chance(0.01)) {
    cluster.compact()
    cluster.cutWatches(expired('too old resource version'))
  }
  cluster.deliver((waiting) => (random.chance(0.3) ? 1 + random.below(waiting) : 0))
}

// What chance and time decide, and what counts writes rather than saying where they led.
const passing = new Set([
  'uid',
  'resourceVersion',
  'generation',
  'observedGeneration',
  'creationTimestamp',
  'deletionTimestamp',
  'lastPhaseTransitionTime',
  'lastTransitionTime',
  'lastUpdateTime',
  'startTime',
  'podIP',
  'podIPs',
  'managedFields',
])

function comparable(objects: readonly KubernetesObject[], ignored: ReadonlySet<string>): unknown {
  const described = objects.map((object) => {
    const { generateName, generation } = object.metadata
    const observed = (object as { status?: { observedGeneration?: number } }).status?.observedGeneration
    const copy = without(ignored, object) as KubernetesObject
    if (generateName !== undefined) copy.metadata.name = `${generateName}*`
    return { object: copy, isCurrent: observed === undefined || observed === generation }
  })
  const text = (value: unknown): string => JSON.stringify(value)
  return described.toSorted((a, b) => (text(a) < text(b) ? -1 : 1))
}

// Conditions stand in the order in which they came to be.
function byConditionType(a: unknown, b: unknown): number {
  const [first, second] = [a, b].map((item) => (item as { type?: unknown } | null)?.type)
  return typeof first === 'string' && typeof second === 'string' ? first.localeCompare(second) : 0
}

// Keys in one order, so that equal objects have equal texts.
function without(ignored: ReadonlySet<string>, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => without(ignored, item)).toSorted(byConditionType)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => !ignored.has(key))
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, without(ignored, inner)]),
  )
}
