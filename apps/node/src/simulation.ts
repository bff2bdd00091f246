import { BatchedEventRecorder, type Client, Informer } from '@binnacle/client'
import { leases, namespaces, nodes, nodeUsages, pods, resourceSlices } from '@binnacle/resources'
import type { Log } from './log.ts'
import type { Pod } from './simulated/pod.ts'
import { seededRandom } from './simulated/seeded-random.ts'
import { SimulatedNodes } from './simulated/simulated-nodes.ts'
import type { SimulationOptions } from './simulated/simulation-options.ts'
import { untilAnswered } from './until-answered.ts'

/** What a running simulation lets its process do. */
export interface Simulation {
  /** Ends heartbeats and pods' lives here and writes the events that wait; nodes and pods stay in the cluster. */
  stop(): Promise<void>
}

/** How a simulation is run. */
export interface SimulationRun {
  readonly client: Client
  readonly options: SimulationOptions
  /** Makes what is drawn repeatable; undefined: it is not. */
  readonly seed: number | undefined
  readonly log: Log
  /** Gives up waiting for the server. */
  readonly signal: AbortSignal
}

/**
 * Runs simulated nodes on a cluster. Resolves once they are registered and Ready and the pods bound to them are known.
 * @throws the server's answer when it refuses, or the signal's reason.
 */
export async function startSimulation({ client, options, seed, log, signal }: SimulationRun): Promise<Simulation> {
  const recorder = new BatchedEventRecorder(client, { component: 'kubelet' })
  const simulated = new SimulatedNodes(
    {
      client,
      resources: { pods, nodes, nodeUsages, leases, namespaces, resourceSlices },
      time: {
        nowMs: () => Date.now(),
        setTimer: (callback, afterMs) => {
          const timer = setTimeout(callback, afterMs)
          return () => clearTimeout(timer)
        },
      },
      random: seed === undefined ? () => Math.random() : seededRandom(seed),
      recordEvent: (pod, { type, reason, message, container, nodeName }) =>
        recorder.record(pod, type, reason, message, { host: nodeName, fieldPath: containerPath(pod, container) }),
      logError: (message, fields) => log('error', message, fields),
    },
    options,
  )
  await untilAnswered(() => simulated.register(), log, signal)
  const informer = new Informer(client, pods, { fieldSelector: 'spec.nodeName!=' }, (error) =>
    log('warn', 'cannot watch pods', { error: String(error) }),
  )
  informer.addHandler({
    onAdd: (pod) => simulated.podChanged(pod as Pod),
    onUpdate: (pod, old) => {
      // A pod of the same name that came while nobody looked.
      if (old.metadata.uid !== pod.metadata.uid) simulated.podDeleted(old as Pod)
      simulated.podChanged(pod as Pod)
    },
    onDelete: (pod) => simulated.podDeleted(pod as Pod),
  })
  informer.start()
  await informer.synced
  return {
    async stop() {
      informer.stop()
      simulated.stop()
      await recorder.flush()
    },
  }
}

/** How events name a container (kubelet `GenerateContainerRef`). */
function containerPath(pod: Pod, name: string): string {
  const isInit = pod.spec.initContainers?.some((container) => container.name === name) === true
  return `spec.${isInit ? 'initContainers' : 'containers'}{${name}}`
}
