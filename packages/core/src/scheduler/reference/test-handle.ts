import type { KubernetesObject } from '@binnacle/apimachinery'
import { Informer } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import type { ClusterState } from '../cluster-state.ts'
import type { DefaultSelectors } from '../default-selector.ts'
import type { SchedulerHandle } from '../framework.ts'
import { WaitingPods } from '../waiting-pods.ts'

/** Informers that know of nothing. */
export function emptyInformers(): SchedulerHandle['informer'] {
  const known = new Map<string, Informer<any>>()
  return <T extends KubernetesObject>(resource: ResourceDefinition<T>): Informer<T> => {
    let informer = known.get(resource.storageName)
    if (informer === undefined)
      known.set(resource.storageName, (informer = new Informer({} as SchedulerHandle['client'], resource)))
    return informer
  }
}

/** What plugins are made with where nothing but decisions is tested: no client, time at zero. */
export function testHandle(
  cluster: ClusterState,
  defaults: DefaultSelectors,
  informer = emptyInformers(),
): SchedulerHandle {
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
    informer,
    announce: () => {},
    write: none,
    withdrawNomination: none,
    activate: none,
    hold: none,
  }
}
