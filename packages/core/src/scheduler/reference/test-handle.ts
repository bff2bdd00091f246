import type { ClusterState } from '../cluster-state.ts'
import type { DefaultSelectors } from '../default-selector.ts'
import type { SchedulerHandle } from '../framework.ts'
import { WaitingPods } from '../waiting-pods.ts'

/** What plugins are made with where nothing but decisions is tested: no client, no informers, time at zero. */
export function testHandle(cluster: ClusterState, defaults: DefaultSelectors): SchedulerHandle {
  const none = (): never => {
    throw new Error('no plugin does this while it decides')
  }
  return {
    cluster,
    defaults,
    client: {} as SchedulerHandle['client'],
    waitingPods: new WaitingPods(none),
    recordEvent: none,
    log: none,
    nowMs: () => 0,
    setTimer: none,
    informer: none,
    announce: none,
  }
}
