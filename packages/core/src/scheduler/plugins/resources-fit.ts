import { scoreMax, type Cycle, type FilterPlugin, type ScorePlugin } from '../framework.ts'
import { cpuColumn, memoryColumn, nodeChange, type NodeTable } from '../node-table.ts'
import { requestOf, type PodShape } from '../pod-shape.ts'
import { SlotMemos } from '../slot-memo.ts'

/** What the pod requests must be left of what the node can allocate, and one more pod must be allowed. */
export const resourcesFit: FilterPlugin = {
  name: 'NodeResourcesFit',
  looksAt: 'requests',
  isSlotwise: true,
  preFilter: () => 'filter',
  filter({ cluster: { table }, shape }, slots, count) {
    let kept = keepWithRoomForPod(table, slots, count)
    for (let i = 0; i < shape.requestColumns.length; i++) {
      const column = shape.requestColumns[i] as number
      kept = keepWithRoomFor(table, column, shape.requestAmounts[i] as number, slots, kept)
    }
    return kept
  },
  reasons: ({ cluster, shape }, slot) => shortages(cluster.table, shape, slot),
  mayYield({ cluster: { table }, shape }, slot) {
    for (let i = 0; i < shape.requestColumns.length; i++) {
      const allocatable = table.allocatable[shape.requestColumns[i] as number] as Float64Array
      if ((shape.requestAmounts[i] as number) > (allocatable[slot] as number)) return false
    }
    return true
  },
  mayHelp(event, shape, cluster) {
    if (event.type === 'podUpdated') return asksLess(shape, event.before)
    if (event.type === 'node' && (event.change & (nodeChange.allocatable | nodeChange.added)) === 0) return false
    if (event.type !== 'node' && event.type !== 'podRemoved') return false
    const slot = event.type === 'node' ? event.slot : event.pod.slot
    return cluster.table.exists[slot] === 1 && shortages(cluster.table, shape, slot).length === 0
  },
}

function keepWithRoomForPod(table: NodeTable, slots: Int32Array, count: number): number {
  const { podCount, podsAllocatable } = table
  let kept = 0
  for (let i = 0; i < count; i++) {
    const slot = slots[i] as number
    if ((podCount[slot] as number) < (podsAllocatable[slot] as number)) slots[kept++] = slot
  }
  return kept
}

function keepWithRoomFor(table: NodeTable, column: number, amount: number, slots: Int32Array, count: number): number {
  const allocatable = table.allocatable[column] as Float64Array
  const requested = table.requested[column] as Float64Array
  let kept = 0
  for (let i = 0; i < count; i++) {
    const slot = slots[i] as number
    if (amount <= (allocatable[slot] as number) - (requested[slot] as number)) slots[kept++] = slot
  }
  return kept
}

/** Everything that the node has too little of, in kube-scheduler's words. */
function shortages(table: NodeTable, shape: PodShape, slot: number): readonly string[] {
  let lacking = (table.podCount[slot] as number) + 1 > (table.podsAllocatable[slot] as number) ? 1 : 0
  for (let i = 0; i < shape.requestColumns.length; i++) {
    const column = shape.requestColumns[i] as number
    const free =
      ((table.allocatable[column] as Float64Array)[slot] as number) -
      ((table.requested[column] as Float64Array)[slot] as number)
    if ((shape.requestAmounts[i] as number) > free) lacking |= 2 << i
  }
  return lackingTexts(table, shape, lacking)
}

/** Per shape, by what is lacking: nodes that lack the same share one list. */
const textsByShape = new WeakMap<PodShape, Map<number, readonly string[]>>()

/** What a node has too little of, in kube-scheduler's words. Bit 0 of `lacking`: pods; bit i + 1: the shape's i-th resource. */
export function lackingTexts(table: NodeTable, shape: PodShape, lacking: number): readonly string[] {
  let known = textsByShape.get(shape)
  if (known === undefined) textsByShape.set(shape, (known = new Map()))
  let texts = known.get(lacking)
  if (texts === undefined) {
    const resources = [...shape.requestColumns].filter((_, i) => (lacking & (2 << i)) !== 0)
    texts = [
      ...((lacking & 1) === 0 ? [] : ['Too many pods']),
      ...resources.map((column) => `Insufficient ${table.resourceName(column)}`),
    ]
    known.set(lacking, texts)
  }
  return texts
}

/** The more cpu and memory is left, the better (strategy LeastAllocated, both of weight 1). */
export const leastAllocatedScore: ScorePlugin = {
  name: 'NodeResourcesFit',
  isSlotwise: true,
  preScore: () => 'score',
  score({ cluster: { table }, shape }: Cycle, slots, count, scores) {
    const { values, epochs } = leastAllocatedMemos.of(table, `${shape.nonZeroCpu} ${shape.nonZeroMemory}`)
    const { usageEpoch } = table
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (epochs[slot] !== usageEpoch[slot]) {
        values[slot] = leastAllocated(table, shape, slot)
        epochs[slot] = usageEpoch[slot] as number
      }
      scores[i] = values[slot] as number
    }
  },
}

const leastAllocatedMemos = new SlotMemos()

function leastAllocated(table: NodeTable, shape: PodShape, slot: number): number {
  const cpuTotal = (table.allocatable[cpuColumn] as Float64Array)[slot] as number
  const memoryTotal = (table.allocatable[memoryColumn] as Float64Array)[slot] as number
  let sum = 0
  let weights = 0
  if (cpuTotal !== 0) {
    sum += shareLeft((table.nonZeroCpu[slot] as number) + shape.nonZeroCpu, cpuTotal)
    weights++
  }
  if (memoryTotal !== 0) {
    sum += shareLeft((table.nonZeroMemory[slot] as number) + shape.nonZeroMemory, memoryTotal)
    weights++
  }
  return weights === 0 ? 0 : Math.floor(sum / weights)
}

function shareLeft(taken: number, total: number): number {
  return taken > total ? 0 : Math.floor(((total - taken) * scoreMax) / total)
}

/** Whether a shape asks for less of any resource than another. */
function asksLess(shape: PodShape, before: PodShape): boolean {
  return before.requestColumns.some((column, i) => requestOf(shape, column) < (before.requestAmounts[i] as number))
}
