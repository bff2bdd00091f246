import { scoreMax, type ScorePlugin } from '../framework.ts'
import { cpuColumn, memoryColumn, type NodeTable } from '../node-table.ts'
import { requestOf } from '../pod-shape.ts'
import { SlotMemos } from '../slot-memo.ts'

/** The nearer the taken shares of cpu and memory are to each other, the better. Says nothing about pods that request neither. */
export const balancedAllocationScore: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  isSlotwise: true,
  preScore: ({ shape }) =>
    requestOf(shape, cpuColumn) === 0 && requestOf(shape, memoryColumn) === 0 ? 'skip' : 'score',
  score({ cluster: { table }, shape }, slots, count, scores) {
    const cpuAsked = requestOf(shape, cpuColumn)
    const memoryAsked = requestOf(shape, memoryColumn)
    const { values, epochs } = memos.of(table, `${cpuAsked} ${memoryAsked}`)
    const { usageEpoch } = table
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      if (epochs[slot] !== usageEpoch[slot]) {
        values[slot] = balance(table, slot, cpuAsked, memoryAsked)
        epochs[slot] = usageEpoch[slot] as number
      }
      scores[i] = values[slot] as number
    }
  },
}

const memos = new SlotMemos()

function balance(table: NodeTable, slot: number, cpuAsked: number, memoryAsked: number): number {
  const cpuTotal = (table.allocatable[cpuColumn] as Float64Array)[slot] as number
  const memoryTotal = (table.allocatable[memoryColumn] as Float64Array)[slot] as number
  // The deviation of one share alone, or of none, is zero.
  if (cpuTotal === 0 || memoryTotal === 0) return scoreMax
  const cpuTaken = (table.requested[cpuColumn] as Float64Array)[slot] as number
  const memoryTaken = (table.requested[memoryColumn] as Float64Array)[slot] as number
  const cpuShare = Math.min(1, (cpuTaken + cpuAsked) / cpuTotal)
  const memoryShare = Math.min(1, (memoryTaken + memoryAsked) / memoryTotal)
  return Math.trunc((1 - Math.abs((cpuShare - memoryShare) / 2)) * scoreMax)
}
