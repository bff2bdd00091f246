import type { Pod as ApiPod, PodSpec } from '@binnacle/resources'

/** A pod bound to a node: one that the API server admitted has a spec. */
export type Pod = ApiPod & { spec: PodSpec }

export type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  PodCondition,
  PodStatus,
} from '@binnacle/resources'

/** The pod's containers run to their end after this many seconds. */
export const runSecondsAnnotation = 'simulated.binnacle.dev/run-seconds'
/** The exit code that they end with; 0 where absent. */
export const exitCodeAnnotation = 'simulated.binnacle.dev/exit-code'
/** `true`: none of the pod's images can ever be pulled. */
export const pullErrorAnnotation = 'simulated.binnacle.dev/image-pull-error'
/** What the pod's running containers use together, as a quantity. */
export const cpuUsageAnnotation = 'simulated.binnacle.dev/cpu-usage'
/** Likewise. */
export const memoryUsageAnnotation = 'simulated.binnacle.dev/memory-usage'
