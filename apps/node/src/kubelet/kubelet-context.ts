import type { Client } from '@binnacle/client'
import type { Service } from '@binnacle/resources'
import type { CriClient } from '../cri/cri-client.ts'
import type { ImagePuller } from '../images/image-puller.ts'
import type { Log } from '../log.ts'
import type { PodVolumes, VolumeSources } from '../volumes/pod-volumes.ts'
import type { PodCgroups } from './cgroups.ts'
import type { FieldFacts } from './environment.ts'
import type { Pod } from './pod.ts'
import type { Probes } from './probes.ts'
import type { RuntimeView } from './runtime-view.ts'
import type { NodeNetwork } from './sandbox-config.ts'

/** What the parts of a kubelet share. */
export interface KubeletContext {
  readonly client: Client
  readonly cri: CriClient
  readonly view: RuntimeView
  readonly probes: Probes
  readonly puller: ImagePuller
  readonly volumes: PodVolumes
  readonly cgroups: PodCgroups
  readonly network: NodeNetwork
  /** Where logs of containers are: `NAMESPACE_NAME_UID/CONTAINER/TRY.log`. */
  readonly logsDirectory: string
  /** Where seccomp profiles of type Localhost are. */
  readonly seccompRoot: string
  /** Bytes. */
  readonly memoryCapacity: number
  readonly log: Log
  /** What a pod refers to, as it is now. */
  sources(pod: Pod, facts: FieldFacts): VolumeSources
  allocatable(): Readonly<Record<string, string>>
  services(): Iterable<Service>
  nowMs(): number
  /** Records an event about a pod, or about one of its containers. */
  tell(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void
}
