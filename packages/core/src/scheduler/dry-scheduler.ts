import { DefaultSelectors } from './default-selector.ts'
import { ClusterState } from './cluster-state.ts'
import type { Profile } from './framework.ts'
import { defaultProfile } from './profile.ts'
import { testHandle } from './reference/test-handle.ts'
import { NodePicker, type PickOptions } from './schedule-one.ts'
import type { SchedulableNode, SchedulablePod } from './scheduled-objects.ts'

/**
 * The scheduler's decisions without queue, client or clock: what it would do with these nodes and pods, one pod after the other. For
 * benchmarks of the decision alone. Victims of preemption are gone at once.
 */
export class DryScheduler {
  readonly #cluster = new ClusterState()
  readonly #picker: NodePicker
  readonly #profile: Profile

  constructor(options: PickOptions = {}) {
    const cluster = this.#cluster
    this.#picker = new NodePicker(cluster, options)
    this.#profile = defaultProfile({
      ...testHandle(cluster, new DefaultSelectors()),
      recordEvent: () => {},
      hold: () => () => {},
      withdrawNomination: (pod) => cluster.nominations.delete(pod.metadata.uid ?? ''),
      write(write, settle) {
        const uid = write.verb === 'delete' ? write.options?.preconditions?.uid : undefined
        if (uid !== undefined) cluster.unplace(uid)
        settle({ object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: '' } } })
      },
    })
  }

  /** Takes over a node. */
  setNode(node: SchedulableNode): void {
    this.#cluster.table.setNode(node)
  }

  /** Forgets a node. */
  removeNode(name: string): void {
    this.#cluster.table.removeNode(name)
  }

  /** Counts a pod on a node. */
  place(pod: SchedulablePod, nodeName: string): void {
    this.#cluster.place(pod, nodeName, { assumed: false })
  }

  /** Decides on a pod and counts it there; undefined where it fits nowhere, even when others make room. */
  decide(pod: SchedulablePod): string | undefined {
    const shape = this.#cluster.shapes.shapeOf(pod)
    let decision = this.#picker.pick(pod, shape, this.#profile)
    if (decision.kind === 'unschedulable' && decision.failed !== undefined) {
      const { cycle, search } = decision.failed
      const made = this.#profile.postFilters.map((plugin) => plugin.postFilter(cycle, search))
      const { nominatedNodeName: promised = '', eviction } = made.find((result) => result.nominatedNodeName) ?? {}
      if (promised === '') return undefined
      eviction?.go()
      this.#cluster.nominations.set(pod, shape, promised)
      decision = this.#picker.pick(pod, shape, this.#profile)
      this.#cluster.nominations.delete(pod.metadata.uid ?? '')
    }
    if (decision.kind !== 'fits') return undefined
    this.#cluster.place(pod, decision.nodeName, { assumed: true })
    return decision.nodeName
  }
}
