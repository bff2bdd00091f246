import type { KubernetesObject } from '@binnacle/apimachinery'

/** The parts of core/v1 Pod that a kubelet without containers reads and writes. Every field is optional as on the wire. */

/** A container as the spec names it. */
export interface ContainerSpec {
  readonly name: string
  readonly image?: string
  readonly restartPolicy?: string
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string | number>>
    readonly limits?: Readonly<Record<string, string | number>>
  }
}

/** `v1.ContainerState`: exactly one member is there. */
export interface ContainerState {
  readonly waiting?: { readonly reason: string; readonly message?: string }
  readonly running?: { readonly startedAt: string }
  readonly terminated?: {
    readonly exitCode: number
    readonly reason: string
    readonly startedAt: string
    readonly finishedAt: string
    readonly containerID: string
  }
}

/** `v1.ContainerStatus`. */
export interface ContainerStatus {
  readonly name: string
  readonly state: ContainerState
  readonly lastState: ContainerState
  readonly ready: boolean
  readonly restartCount: number
  readonly image: string
  readonly imageID: string
  readonly containerID?: string
  readonly started: boolean
}

/** `v1.PodCondition`. */
export interface PodCondition {
  type: string
  status: string
  reason?: string
  message?: string
  lastProbeTime?: null
  lastTransitionTime?: string
}

/** `v1.PodStatus` as the kubelet reports it. */
export interface PodStatus {
  readonly phase?: string
  readonly conditions?: readonly PodCondition[]
  readonly hostIP?: string
  readonly hostIPs?: readonly { readonly ip: string }[]
  readonly podIP?: string
  readonly podIPs?: readonly { readonly ip: string }[]
  readonly startTime?: string
  readonly initContainerStatuses?: readonly ContainerStatus[]
  readonly containerStatuses?: readonly ContainerStatus[]
}

/** A pod bound to a node. */
export interface Pod extends KubernetesObject {
  readonly spec: {
    readonly nodeName?: string
    readonly hostNetwork?: boolean
    readonly restartPolicy?: string
    readonly containers: readonly ContainerSpec[]
    readonly initContainers?: readonly ContainerSpec[]
    readonly readinessGates?: readonly { readonly conditionType: string }[]
    readonly terminationGracePeriodSeconds?: number
  }
  readonly status?: PodStatus
}

/** The pod's containers run to their end after this many seconds. */
export const runSecondsAnnotation = 'simulated.binnacle.dev/run-seconds'
/** The exit code that they end with; 0 where absent. */
export const exitCodeAnnotation = 'simulated.binnacle.dev/exit-code'
/** `true`: none of the pod's images can ever be pulled. */
export const pullErrorAnnotation = 'simulated.binnacle.dev/image-pull-error'
