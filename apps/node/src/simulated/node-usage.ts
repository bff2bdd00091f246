import { addQuantities, formatQuantity, formatTime, isNotFound, parseQuantity } from '@binnacle/apimachinery'
import type { BatchResult, BatchWrite } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import type { PodRunner } from './pod-runner.ts'
import type { Timeline } from './timeline.ts'
import type { WriteBatcher, WriteSource } from './write-batcher.ts'

/** What a {@link NodeUsageReport} needs around it. */
export interface UsageEnvironment {
  readonly nodeUsages: ResourceDefinition<any>
  readonly timeline: Timeline
  readonly batcher: WriteBatcher
  nowMs(): number
  random(): number
}

/** How often usage is reported, in milliseconds (metrics-server `--metric-resolution`). */
const periodMs = 15_000

/**
 * Reports what the pods of one node use: one record a period, as long as there is something to report. Where no pod is measured nothing is written,
 * and the record of an earlier time is removed.
 */
export class NodeUsageReport implements WriteSource {
  /** Those on the node. */
  readonly pods = new Set<PodRunner>()
  readonly #environment: UsageEnvironment
  readonly #node: { readonly name: string; readonly uid: string }
  readonly #always: boolean
  #isAwake = false
  #hasRecord = true
  #isRemoving = false

  /** `always`: also while no pod asks for it. */
  constructor(environment: UsageEnvironment, node: { name: string; uid: string }, { always }: { always: boolean }) {
    this.#environment = environment
    this.#node = node
    this.#always = always
    if (always) this.wake()
  }

  /** There is a pod to be measured: begins, at a moment within the first period. */
  wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    this.#reportAt(this.#environment.nowMs() + periodMs * this.#environment.random())
  }

  takeWrites(): readonly BatchWrite[] {
    const { nodeUsages: resource } = this.#environment
    const { name, uid } = this.#node
    const measured = [...this.pods].flatMap(({ usage }) => usage ?? [])
    const key = { namespace: '', name }
    this.#isRemoving = measured.length === 0 && !this.#always
    if (this.#isRemoving) return this.#hasRecord ? [{ verb: 'delete', resource, key }] : []
    const containers = measured.flatMap((pod) => pod.containers)
    const timestamp = formatTime(this.#environment.nowMs())
    const usage = { cpu: sumOf(containers, 'cpu'), memory: sumOf(containers, 'memory') }
    const body = { timestamp, window: `${periodMs / 1000}s`, usage, pods: measured }
    if (this.#hasRecord) return [{ verb: 'patch', resource, key, patch: { type: 'merge', body } }]
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid }]
    const head = { apiVersion: 'metrics.binnacle.dev/v1', kind: 'NodeUsage', metadata: { name, ownerReferences } }
    return [{ verb: 'create', resource, object: { ...head, ...body } }]
  }

  written([result]: readonly BatchResult[]): void {
    if (result === undefined) return
    if (!('error' in result)) this.#hasRecord = !this.#isRemoving
    else if (!isNotFound(result.error)) this.#hasRecord = true
    else {
      this.#hasRecord = false
      // Nobody has made the record yet, or somebody took it away.
      if (!this.#isRemoving) this.#environment.batcher.add(this, { canWait: false })
    }
  }

  #reportAt(atMs: number): void {
    this.#environment.timeline.at(atMs, () => {
      this.#environment.batcher.add(this, { canWait: true })
      this.#isAwake = this.#always || [...this.pods].some(({ usage }) => usage !== undefined)
      if (this.#isAwake) this.#reportAt(this.#environment.nowMs() + periodMs)
    })
  }
}

function sumOf(containers: readonly { usage: Readonly<Record<string, string>> }[], resource: string): string {
  let sum = parseQuantity('0')
  for (const { usage } of containers) sum = addQuantities(sum, parseQuantity(usage[resource] ?? '0'))
  return formatQuantity(sum)
}
