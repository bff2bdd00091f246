import type { PreEnqueuePlugin } from '../framework.ts'

/** Pods with scheduling gates are not tried before the last gate is gone. */
export const schedulingGates: PreEnqueuePlugin = {
  name: 'SchedulingGates',
  preEnqueue(pod) {
    const gates = pod.spec.schedulingGates ?? []
    return gates.length === 0 ? undefined : `waiting for scheduling gates: [${gates.map((g) => g.name).join(' ')}]`
  },
}
