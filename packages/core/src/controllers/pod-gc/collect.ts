import { isNotFound } from '@binnacle/apimachinery'
import { nodes, type Pod, pods } from '@binnacle/resources'
import type { ReconcileContext, Runnable } from '../../controller.ts'
import { periodically } from '../../periodic.ts'
import { disruptPods } from '../pod-disruption.ts'
import { excessTerminated, isOutOfService, quarantineMs, terminatedPodsMax } from './plan.ts'

const everyMs = 20_000

/** How the pod collector differs from upstream's defaults. */
export interface PodCollectorOptions {
  readonly terminatedPodsMax?: number
}

/**
 * Deletes pods that nobody else will (`gc_controller.go`): those of nodes that are gone or out of service, those being deleted that never came to a
 * node, and the oldest of too many that have ended. What has not ended by itself is marked as failed first.
 */
export function podCollector(options: PodCollectorOptions = {}): Runnable {
  const missingSinceMs = new Map<string, number>()
  return periodically({
    name: 'pod-garbage-collector',
    reads: [pods, nodes],
    everyMs,
    async pass(context) {
      // Observe.
      const all = [...context.informer(pods).all()]
      const gone = await goneNodes(all, missingSinceMs, context)

      // Decide.
      const excess = excessTerminated(all, options.terminatedPodsMax ?? terminatedPodsMax)
      const terminating = all.filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
      const outOfService = terminating.filter((pod) => {
        const node = context.informer(nodes).get({ namespace: '', name: pod.spec?.nodeName ?? '' })
        return node !== undefined && isOutOfService(node)
      })
      const orphans = all.filter((pod) => gone.has(pod.spec?.nodeName ?? ''))
      const unscheduled = terminating.filter((pod) => !pod.spec?.nodeName)

      // Act.
      const node = { reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' }
      const results = await Promise.allSettled([
        disruptPods(context, orphans, { forced: true, ...node }),
        disruptPods(context, [...new Set([...excess, ...outOfService, ...unscheduled])], { forced: true }),
      ])
      for (const result of results) if (result.status === 'rejected') throw result.reason
    },
  })
}

// A node that the cache does not have may only be late: it is asked for after a while, and then from the server.
async function goneNodes(
  all: readonly Pod[],
  missingSinceMs: Map<string, number>,
  context: ReconcileContext,
): Promise<ReadonlySet<string>> {
  const informer = context.informer(nodes)
  const missing = new Set<string>()
  for (const { spec } of all) {
    const name = spec?.nodeName
    if (name && informer.get({ namespace: '', name }) === undefined) missing.add(name)
  }
  for (const name of missingSinceMs.keys()) if (!missing.has(name)) missingSinceMs.delete(name)
  const gone = new Set<string>()
  for (const name of missing) {
    const sinceMs = missingSinceMs.get(name) ?? context.nowMs()
    missingSinceMs.set(name, sinceMs)
    if (context.nowMs() - sinceMs >= quarantineMs && !(await exists(name, context))) gone.add(name)
  }
  return gone
}

async function exists(name: string, context: ReconcileContext): Promise<boolean> {
  try {
    await context.client.get(nodes, { namespace: '', name })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}
