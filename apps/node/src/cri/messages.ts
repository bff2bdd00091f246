/** The messages of the Container Runtime Interface, as the loader gives and takes them: 64-bit integers as text, enums by name. */

/** `runtime.v1.NamespaceMode`: TARGET is of one container, CONTAINER of its own, POD shared, NODE the machine's. */
export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET'

/** Which namespaces a sandbox or a container has. */
export interface NamespaceOption {
  readonly network: NamespaceMode
  readonly pid: NamespaceMode
  readonly ipc: NamespaceMode
  readonly targetId?: string
}

/** Which system calls are allowed. */
export interface SecurityProfile {
  readonly profileType: 'RuntimeDefault' | 'Unconfined' | 'Localhost'
  /** An absolute path on the node, of a Localhost profile. */
  readonly localhostRef?: string
}

/** A number that may be absent. */
export interface Int64Value {
  readonly value: string | number
}

/** What a cgroup may use. Zero or absent: not limited. */
export interface LinuxContainerResources {
  /** In microseconds, as the quota. */
  readonly cpuPeriod?: number
  readonly cpuQuota?: number
  readonly cpuShares?: number
  readonly memoryLimitInBytes?: number | string
  readonly oomScoreAdj?: number
  readonly unified?: Readonly<Record<string, string>>
}

/** Who a sandbox is: `attempt` counts the sandboxes of one pod. */
export interface PodSandboxMetadata {
  readonly name: string
  readonly uid: string
  readonly namespace: string
  readonly attempt: number
}

/** What resolv.conf says. */
export interface DNSConfig {
  readonly servers: readonly string[]
  readonly searches: readonly string[]
  readonly options: readonly string[]
}

/** A port of the machine that leads to one of the pod. */
export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly containerPort: number
  readonly hostPort: number
  readonly hostIp: string
}

/** How a sandbox is made. */
export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata
  readonly hostname: string
  readonly logDirectory: string
  /** undefined: the machine's. */
  readonly dnsConfig?: DNSConfig | undefined
  readonly portMappings: readonly PortMapping[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly linux: {
    readonly cgroupParent: string
    readonly sysctls: Readonly<Record<string, string>>
    readonly securityContext: {
      readonly namespaceOptions: NamespaceOption
      readonly runAsUser?: Int64Value
      readonly runAsGroup?: Int64Value
      readonly supplementalGroups?: readonly number[]
      readonly privileged: boolean
      readonly seccomp?: SecurityProfile
    }
  }
}

/** A mount of a container. */
export interface Mount {
  readonly containerPath: string
  readonly hostPath: string
  readonly readonly: boolean
  readonly propagation?: 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL'
}

/** How a container is made. */
export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt: number }
  readonly image: { readonly image: string }
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly envs: readonly { readonly key: string; readonly value: string }[]
  readonly mounts: readonly Mount[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Below the sandbox's log directory. */
  readonly logPath: string
  readonly stdin: boolean
  readonly stdinOnce: boolean
  readonly tty: boolean
  readonly linux: {
    readonly resources: LinuxContainerResources
    readonly securityContext: {
      readonly capabilities: {
        readonly addCapabilities: readonly string[]
        readonly dropCapabilities: readonly string[]
      }
      readonly privileged: boolean
      readonly namespaceOptions: NamespaceOption
      readonly runAsUser?: Int64Value
      readonly runAsUsername?: string
      readonly runAsGroup?: Int64Value
      readonly readonlyRootfs: boolean
      readonly supplementalGroups: readonly number[]
      readonly noNewPrivs: boolean
      readonly maskedPaths: readonly string[]
      readonly readonlyPaths: readonly string[]
      readonly seccomp?: SecurityProfile
    }
  }
}

/** A sandbox as lists show it. */
export interface PodSandbox {
  readonly id: string
  readonly metadata: PodSandboxMetadata
  readonly state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY'
  /** Nanoseconds since 1970. */
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
}

/** A sandbox with its addresses. */
export interface PodSandboxStatus extends Omit<PodSandbox, 'labels'> {
  /** The address is empty on the machine's network. */
  readonly network: { readonly ip: string; readonly additionalIps: readonly { readonly ip: string }[] } | null
}

/** `runtime.v1.ContainerState`. */
export type RuntimeContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN'

/** A container as lists show it. */
export interface RuntimeContainer {
  readonly id: string
  readonly podSandboxId: string
  readonly metadata: { readonly name: string; readonly attempt: number }
  readonly image: { readonly image: string } | null
  readonly imageRef: string
  readonly state: RuntimeContainerState
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** All that the runtime knows of a container. Times are nanoseconds since 1970, 0 where it has not come to that. */
export interface RuntimeContainerStatus extends Omit<RuntimeContainer, 'podSandboxId'> {
  readonly startedAt: string
  readonly finishedAt: string
  readonly exitCode: number
  readonly reason: string
  readonly message: string
  readonly logPath: string
}

/** An image on the node. */
export interface RuntimeImage {
  readonly id: string
  readonly repoTags: readonly string[]
  readonly repoDigests: readonly string[]
  /** Bytes. */
  readonly size: string
  /** The user that the image asks for: a number, or else a name. */
  readonly uid: { readonly value: string } | null
  readonly username: string
  readonly pinned: boolean
}

/** Who pulls an image. */
export interface AuthConfig {
  readonly username?: string
  readonly password?: string
  readonly auth?: string
  readonly serverAddress?: string
  readonly identityToken?: string
  readonly registryToken?: string
}

interface UInt64Value {
  readonly value: string
}

/** Use of a file system. */
export interface FilesystemUsage {
  readonly timestamp: string
  readonly fsId: { readonly mountpoint: string } | null
  readonly usedBytes: UInt64Value | null
  readonly inodesUsed: UInt64Value | null
}

/** CPU use since the container's start. */
export interface CpuUsage {
  readonly timestamp: string
  readonly usageCoreNanoSeconds: UInt64Value | null
}

/** Memory in use. */
export interface MemoryUsage {
  readonly timestamp: string
  readonly workingSetBytes: UInt64Value | null
  readonly availableBytes: UInt64Value | null
  readonly usageBytes: UInt64Value | null
  readonly rssBytes: UInt64Value | null
  readonly pageFaults: UInt64Value | null
  readonly majorPageFaults: UInt64Value | null
}

/** What a container uses. */
export interface ContainerStats {
  readonly attributes: {
    readonly id: string
    readonly metadata: { readonly name: string; readonly attempt: number }
    readonly labels: Readonly<Record<string, string>>
  }
  readonly cpu: CpuUsage | null
  readonly memory: MemoryUsage | null
  readonly writableLayer: FilesystemUsage | null
}

/** Bytes over one interface. */
export interface NetworkInterfaceUsage {
  readonly name: string
  readonly rxBytes: UInt64Value | null
  readonly rxErrors: UInt64Value | null
  readonly txBytes: UInt64Value | null
  readonly txErrors: UInt64Value | null
}

/** What a sandbox with its containers uses. */
export interface PodSandboxStats {
  readonly attributes: { readonly id: string; readonly metadata: PodSandboxMetadata }
  readonly linux: {
    readonly cpu: CpuUsage | null
    readonly memory: MemoryUsage | null
    readonly network: {
      readonly timestamp: string
      readonly defaultInterface: NetworkInterfaceUsage | null
      readonly interfaces: readonly NetworkInterfaceUsage[]
    } | null
    readonly process: { readonly timestamp: string; readonly processCount: UInt64Value | null } | null
    readonly containers: readonly ContainerStats[]
  } | null
}
