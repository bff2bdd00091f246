import { formatTime } from '@binnacle/apimachinery'
import { type Pod, pods } from '@binnacle/resources'
import type { FakeCluster } from '@binnacle/testing'
import { isPodTerminal } from '../../pod-state.ts'
import { runPod } from '../controller-bench.ts'
import { completionIndexOf } from './job-pods.ts'

/** How a test's node agent ends a pod. */
export interface PodEnd {
  readonly exitCode?: number
  readonly conditions?: readonly { readonly type: string; readonly status: string }[]
}

/** Ends a pod as a node agent does: Succeeded, or Failed with an exit code other than 0. */
export function endPod(cluster: FakeCluster, pod: Pod, { exitCode = 0, conditions = [] }: PodEnd = {}): void {
  const key = { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name }
  const time = formatTime(Date.now())
  const state = { terminated: { exitCode, startedAt: time, finishedAt: time } }
  cluster.change(pods, key, (ended) => {
    ended.status = {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: time }, ...conditions],
      containerStatuses: [{ name: 'app', image: 'app:1', imageID: '', ready: false, restartCount: 0, state } as never],
    }
  })
}

/** Lets every pod run that has neither ended nor is being deleted. */
export function startPods(cluster: FakeCluster): void {
  for (const pod of cluster.all(pods))
    if (!isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined) runPod(cluster, pod, true)
}

/** Ends what is being deleted; it is gone once nothing holds it. */
export function stopDeletedPods(cluster: FakeCluster): void {
  for (const pod of cluster.all(pods)) {
    if (pod.metadata.deletionTimestamp === undefined) continue
    const key = { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name }
    if (!isPodTerminal(pod)) endPod(cluster, pod, { exitCode: 143 })
    cluster.change(pods, key, (stopped) => void (stopped.metadata.deletionGracePeriodSeconds = 0))
    if ((pod.metadata.finalizers ?? []).length === 0) cluster.remove(pods, key)
  }
}

/** Pods that have not ended and are not being deleted, in the order of their indexes. */
export function activePods(cluster: FakeCluster): Pod[] {
  return cluster
    .all(pods)
    .filter((pod) => !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (completionIndexOf(a) ?? 0) - (completionIndexOf(b) ?? 0))
}
