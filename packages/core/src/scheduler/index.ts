import {
  namespaces,
  nodes,
  pods,
  replicaSets,
  replicationControllers,
  type ResourceDefinition,
  services,
  statefulSets,
} from '@binnacle/resources'
import type { ReconcileContext, Runnable } from '../controller.ts'
import { ClusterState } from './cluster-state.ts'
import { DefaultSelectors, type GroupingKind } from './default-selector.ts'
import { configuredProfile } from './configuration/configured-profile.ts'
import type { SchedulerConfiguration } from './configuration/scheduler-configuration.ts'
import { Extenders } from './extenders/extenders.ts'
import type { PluginDefinition, Profile, SchedulerHandle } from './framework.ts'
import { gangScheduling } from './plugins/gang-scheduling.ts'
import { inTreePlugins } from './plugins/registry.ts'
import { defaultProfile, defaultSchedulerName } from './profile.ts'
import { testHandle } from './reference/test-handle.ts'
import type { PickOptions } from './schedule-one.ts'
import type { SchedulablePod } from './scheduled-objects.ts'
import { Scheduler, type SchedulerFigures } from './scheduler.ts'

export { readSchedulerConfiguration, type SchedulerConfiguration } from './configuration/scheduler-configuration.ts'
export type { SchedulerFigures } from './scheduler.ts'

/** How a scheduler decides. */
export interface SchedulerOptions extends PickOptions {
  /** The plugins by scheduler name, instead of those that the configuration asks for. */
  profiles?(handle: SchedulerHandle): readonly Profile[]
  /** PodGroups are served: those with a gang policy get their nodes all at once. */
  readonly gangs?: boolean
  /** By default kube-scheduler's plugins, for `default-scheduler`. */
  readonly configuration?: SchedulerConfiguration | undefined
}

/** A scheduler among the other loops of a process. */
export interface SchedulerRunnable extends Runnable {
  /** What it has done since it was last started, and what it has to do; undefined before the first start. */
  readonly figures: SchedulerFigures | undefined
}

const groupings: readonly [GroupingKind, ResourceDefinition<any>][] = [
  ['Service', services],
  ['ReplicationController', replicationControllers],
  ['ReplicaSet', replicaSets],
  ['StatefulSet', statefulSets],
]

/**
 * Creates the scheduler of a cluster: every pod without a node that names one of its profiles gets one.
 * @throws Error when no profile can be made of the configuration
 */
export function createScheduler(options: SchedulerOptions = {}): SchedulerRunnable {
  const further = options.gangs === true ? [gangScheduling] : []
  if (options.configuration !== undefined) checkParts(options.configuration, further)
  let scheduler: Scheduler | undefined
  return {
    name: defaultSchedulerName,
    reads: [
      nodes,
      namespaces,
      pods,
      ...groupings.map(([, resource]) => resource),
      ...[...inTreePlugins.map(({ definition }) => definition), ...further].flatMap(({ reads }) => reads ?? []),
    ],
    get figures() {
      return scheduler?.figures
    },
    async start(context) {
      scheduler = schedulerIn(context, options, further)
      follow(scheduler, context)
      scheduler.start()
    },
    async stop() {
      await scheduler?.stop()
    },
  }
}

/** Makes the profiles and extenders for nothing, so that what is wrong with them is told at once. */
function checkParts({ profiles, extenders }: SchedulerConfiguration, further: readonly PluginDefinition[]): void {
  new Extenders(extenders, new ClusterState(), () => {}).close()
  for (const profile of profiles) {
    try {
      configuredProfile(testHandle(new ClusterState(), new DefaultSelectors()), profile, further)
    } catch (error) {
      const { message } = error as Error
      throw new Error(`creating profile for scheduler name ${profile.schedulerName}: ${message}`, { cause: error })
    }
  }
}

function schedulerIn(
  context: ReconcileContext,
  options: SchedulerOptions,
  further: readonly PluginDefinition[],
): Scheduler {
  const environment = {
    client: context.client,
    pods,
    nowMs: () => context.nowMs(),
    setTimer: (callback: () => void, afterMs: number) => {
      const timer = setTimeout(callback, afterMs)
      return () => clearTimeout(timer)
    },
    recordEvent: context.events.record.bind(context.events),
    log: context.log,
    informer: context.informer.bind(context),
  }
  const { configuration } = options
  if (configuration === undefined)
    return new Scheduler(
      environment,
      options.profiles ?? ((handle) => [defaultProfile(handle, defaultSchedulerName, further)]),
      { ...options, groups: options.gangs === true },
    )
  const { profiles, percentageOfNodesToScore, podInitialBackoffSeconds, podMaxBackoffSeconds, extenders } =
    configuration
  const profilesOf = (handle: SchedulerHandle): Profile[] => profiles.map((p) => configuredProfile(handle, p, further))
  const backoff = { initialMs: podInitialBackoffSeconds * 1000, maxMs: podMaxBackoffSeconds * 1000 }
  return new Scheduler(environment, options.profiles ?? profilesOf, {
    percentageOfNodesToScore,
    ...options,
    backoff,
    extenders,
    groups: options.gangs === true,
  })
}

/** Tells the scheduler of everything there is and of every change. What pods belong to comes before the pods. */
function follow(scheduler: Scheduler, { informer }: ReconcileContext): void {
  for (const [kind, resource] of groupings) {
    informer(resource).addHandler({
      onAdd: (object) => scheduler.defaults.set(kind, object),
      onUpdate: (object) => scheduler.defaults.set(kind, object),
      onDelete: (object) => scheduler.defaults.delete(kind, object),
    })
  }
  informer(namespaces).addHandler({
    onAdd: ({ metadata }) => scheduler.cluster.setNamespace(metadata.name, metadata.labels ?? {}),
    onUpdate: ({ metadata }) => scheduler.cluster.setNamespace(metadata.name, metadata.labels ?? {}),
    onDelete: ({ metadata }) => scheduler.cluster.setNamespace(metadata.name, undefined),
  })
  informer(nodes).addHandler({
    onAdd: (node) => scheduler.nodeChanged(node),
    onUpdate: (node) => scheduler.nodeChanged(node),
    onDelete: (node) => scheduler.nodeDeleted(node),
  })
  informer(pods).addHandler({
    onAdd: (pod) => scheduler.podChanged(pod as SchedulablePod),
    onUpdate: (pod, old) => {
      // A pod of the same name that came while nobody looked.
      if (old.metadata.uid !== pod.metadata.uid) scheduler.podDeleted(old as SchedulablePod)
      scheduler.podChanged(pod as SchedulablePod)
    },
    onDelete: (pod) => scheduler.podDeleted(pod as SchedulablePod),
  })
}
