import { scoreMax, type ScorePlugin } from '../framework.ts'
import { cpuColumn, memoryColumn } from '../node-table.ts'
import { requestOf } from '../pod-shape.ts'

/** The nearer the taken shares of cpu and memory are to each other, the better. Says nothing about pods that request neither. */
export const balancedAllocationScore: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  preScore: ({ shape }) =>
    requestOf(shape, cpuColumn) === 0 && requestOf(shape, memoryColumn) === 0 ? 'skip' : 'score',
  score({ cluster: { table }, shape }, slots, count, scores) {
    const cpu = table.allocatable[cpuColumn] as Float64Array
    const memory = table.allocatable[memoryColumn] as Float64Array
    const cpuTaken = table.requested[cpuColumn] as Float64Array
    const memoryTaken = table.requested[memoryColumn] as Float64Array
    const cpuAsked = requestOf(shape, cpuColumn)
    const memoryAsked = requestOf(shape, memoryColumn)
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number
      const cpuTotal = cpu[slot] as number
      const memoryTotal = memory[slot] as number
      // The deviation of one share alone, or of none, is zero.
      let deviation = 0
      if (cpuTotal !== 0 && memoryTotal !== 0) {
        const cpuShare = Math.min(1, ((cpuTaken[slot] as number) + cpuAsked) / cpuTotal)
        const memoryShare = Math.min(1, ((memoryTaken[slot] as number) + memoryAsked) / memoryTotal)
        deviation = Math.abs((cpuShare - memoryShare) / 2)
      }
      scores[i] = Math.trunc((1 - deviation) * scoreMax)
    }
  },
}
