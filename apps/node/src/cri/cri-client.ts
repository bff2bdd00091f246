import path from 'node:path'
import {
  type ChannelOptions,
  type ServiceError,
  credentials,
  loadPackageDefinition,
  Metadata,
  status,
} from '@grpc/grpc-js'
import { type Options, loadSync } from '@grpc/proto-loader'
import type {
  AuthConfig,
  ContainerConfig,
  ContainerStats,
  FilesystemUsage,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxStats,
  PodSandboxStatus,
  RuntimeContainer,
  RuntimeContainerStatus,
  RuntimeImage,
} from './messages.ts'

/** How messages look in JavaScript. */
export const loaderOptions: Options = { longs: String, enums: String, defaults: true, oneofs: true, bytes: Buffer }

const messageBytesMax = 64 << 20
/** Reconnecting after containerd was away: its own restart takes about a second. */
export const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
}

/** A call of the runtime that failed. */
export class CriError extends Error {
  /** gRPC's status code. */
  readonly code: number

  constructor(call: string, { code, details }: Pick<ServiceError, 'code' | 'details'>) {
    super(details)
    this.name = `CriError(${call})`
    this.code = code
  }
}

/** True when what was asked about does not exist (any more). */
export function isCriNotFound(error: unknown): boolean {
  return error instanceof CriError && error.code === status.NOT_FOUND
}

/** True when nobody listens on the runtime's socket. */
export function isCriUnavailable(error: unknown): boolean {
  return error instanceof CriError && error.code === status.UNAVAILABLE
}

/** True when a call has taken too long, and of ExecSync: the command has. */
export function isCriTimeout(error: unknown): boolean {
  return error instanceof CriError && error.code === status.DEADLINE_EXCEEDED
}

/** What a command said. */
export interface ExecResult {
  readonly stdout: Buffer
  readonly stderr: Buffer
  readonly exitCode: number
}

/** Which streams an exec or attach has. */
export interface StreamOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

/** A condition of the runtime: `RuntimeReady`, `NetworkReady`. */
export interface RuntimeCondition {
  readonly type: string
  readonly status: boolean
  readonly reason: string
  readonly message: string
}

/** How long a call may take that only asks (kubelet `runtimeRequestTimeout`). */
const callMsMax = 120_000
/** How long starting may take, and pulling without anything happening. */
const startMsMax = 240_000
const pullMsMax = 3_600_000
/** What a call that waits for a process is given beyond the process's own time. */
const graceMs = 15_000

type Method = (
  request: unknown,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: any) => void,
) => unknown
type Service = Record<string, Method> & { close(): void }
type Labels = Readonly<Record<string, string>>

/**
 * A container runtime that speaks the Container Runtime Interface on a Unix socket. Calls throw {@link CriError}; each has a deadline. It reconnects by
 * itself.
 */
export class CriClient {
  readonly #runtime: Service
  readonly #images: Service

  /** `socket` is the absolute path of the runtime's socket. */
  constructor(socket: string) {
    const definition = loadSync(path.join(import.meta.dirname, 'cri.proto'), loaderOptions)
    const { RuntimeService, ImageService } = (loadPackageDefinition(definition) as any).runtime.v1
    this.#runtime = new RuntimeService(`unix://${socket}`, credentials.createInsecure(), channelOptions)
    this.#images = new ImageService(`unix://${socket}`, credentials.createInsecure(), channelOptions)
  }

  close(): void {
    this.#runtime.close()
    this.#images.close()
  }

  async version(): Promise<{ runtimeName: string; runtimeVersion: string }> {
    return await call(this.#runtime, 'Version', { version: 'v1' })
  }

  /** What the runtime says of itself. */
  async runtimeConditions(): Promise<readonly RuntimeCondition[]> {
    const { status: runtimeStatus } = await call(this.#runtime, 'Status', {})
    return runtimeStatus?.conditions ?? []
  }

  /** What the runtime tells of its own settings, as JSON; undefined when it tells nothing. Their form is the runtime's own. */
  async configuration(): Promise<string | undefined> {
    const { info } = await call(this.#runtime, 'Status', { verbose: true })
    return info?.config
  }

  /** Makes a sandbox with its network, and starts it. Returns its id. */
  async runPodSandbox(config: PodSandboxConfig, runtimeHandler = ''): Promise<string> {
    const { podSandboxId } = await call(this.#runtime, 'RunPodSandbox', { config, runtimeHandler }, startMsMax)
    return podSandboxId
  }

  /** Kills what is left in the sandbox and takes its network down. Not an error when there is no such sandbox. */
  async stopPodSandbox(podSandboxId: string): Promise<void> {
    await call(this.#runtime, 'StopPodSandbox', { podSandboxId })
  }

  async removePodSandbox(podSandboxId: string): Promise<void> {
    await call(this.#runtime, 'RemovePodSandbox', { podSandboxId })
  }

  async podSandboxStatus(podSandboxId: string): Promise<PodSandboxStatus> {
    const { status: sandbox } = await call(this.#runtime, 'PodSandboxStatus', { podSandboxId })
    return sandbox
  }

  async listPodSandboxes(labelSelector: Labels = {}): Promise<readonly PodSandbox[]> {
    const { items } = await call(this.#runtime, 'ListPodSandbox', { filter: { labelSelector } })
    return items
  }

  /** Makes a container, not running yet. Returns its id. */
  async createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
  ): Promise<string> {
    const request = { podSandboxId, config, sandboxConfig }
    const { containerId } = await call(this.#runtime, 'CreateContainer', request, startMsMax)
    return containerId
  }

  async startContainer(containerId: string): Promise<void> {
    await call(this.#runtime, 'StartContainer', { containerId }, startMsMax)
  }

  /** Asks the container to end and kills it after that many seconds. Resolves once it has ended. */
  async stopContainer(containerId: string, timeoutSeconds: number): Promise<void> {
    const timeoutMs = timeoutSeconds * 1000 + callMsMax
    await call(this.#runtime, 'StopContainer', { containerId, timeout: timeoutSeconds }, timeoutMs)
  }

  async removeContainer(containerId: string): Promise<void> {
    await call(this.#runtime, 'RemoveContainer', { containerId })
  }

  async listContainers(labelSelector: Labels = {}): Promise<readonly RuntimeContainer[]> {
    const { containers } = await call(this.#runtime, 'ListContainers', { filter: { labelSelector } })
    return containers
  }

  async containerStatus(containerId: string): Promise<RuntimeContainerStatus> {
    const { status: container } = await call(this.#runtime, 'ContainerStatus', { containerId })
    return container
  }

  async updateContainerResources(containerId: string, linux: LinuxContainerResources): Promise<void> {
    await call(this.#runtime, 'UpdateContainerResources', { containerId, linux })
  }

  /** Has the runtime write the container's log to a new file after the old one was moved away. */
  async reopenContainerLog(containerId: string): Promise<void> {
    await call(this.#runtime, 'ReopenContainerLog', { containerId })
  }

  /** Runs a command in the container to its end. @throws CriError as {@link isCriTimeout} says when it takes longer. */
  async execSync(containerId: string, cmd: readonly string[], timeoutSeconds: number): Promise<ExecResult> {
    const timeoutMs = timeoutSeconds * 1000 + graceMs
    return await call(this.#runtime, 'ExecSync', { containerId, cmd, timeout: timeoutSeconds }, timeoutMs)
  }

  /** Prepares a command; it runs when the returned URL is asked for, which works once. */
  async exec(containerId: string, cmd: readonly string[], streams: StreamOptions): Promise<string> {
    const { url } = await call(this.#runtime, 'Exec', { containerId, cmd, ...streams })
    return url
  }

  /** The URL, to be used once, under which the container's streams are. */
  async attach(containerId: string, streams: StreamOptions): Promise<string> {
    const { url } = await call(this.#runtime, 'Attach', { containerId, ...streams })
    return url
  }

  /** The URL, to be used once, under which ports of the sandbox are. */
  async portForward(podSandboxId: string, port: readonly number[] = []): Promise<string> {
    const { url } = await call(this.#runtime, 'PortForward', { podSandboxId, port })
    return url
  }

  async listContainerStats(labelSelector: Labels = {}): Promise<readonly ContainerStats[]> {
    const { stats } = await call(this.#runtime, 'ListContainerStats', { filter: { labelSelector } })
    return stats
  }

  /** Costs about 11 ms for each sandbox. */
  async listPodSandboxStats(labelSelector: Labels = {}): Promise<readonly PodSandboxStats[]> {
    const { stats } = await call(this.#runtime, 'ListPodSandboxStats', { filter: { labelSelector } })
    return stats
  }

  async listImages(): Promise<readonly RuntimeImage[]> {
    const { images } = await call(this.#images, 'ListImages', {})
    return images
  }

  /** The image of that reference on the node; undefined when it is not there. */
  async imageStatus(image: string): Promise<RuntimeImage | undefined> {
    const { image: found } = await call(this.#images, 'ImageStatus', { image: { image } })
    return found ?? undefined
  }

  /** Fetches an image. Returns what it is to be named by when a container is made of it. */
  async pullImage(image: string, auth: AuthConfig | undefined, sandboxConfig: PodSandboxConfig): Promise<string> {
    const request = { image: { image }, ...(auth === undefined ? {} : { auth }), sandboxConfig }
    const { imageRef } = await call(this.#images, 'PullImage', request, pullMsMax)
    return imageRef
  }

  /** Removes the image under all of its names. */
  async removeImage(image: string): Promise<void> {
    await call(this.#images, 'RemoveImage', { image: { image } })
  }

  async imageFsInfo(): Promise<readonly FilesystemUsage[]> {
    const { imageFilesystems } = await call(this.#images, 'ImageFsInfo', {})
    return imageFilesystems
  }
}

function call(service: Service, name: string, request: unknown, timeoutMs = callMsMax): Promise<any> {
  const method = service[name] as Method
  return new Promise((resolve, reject) => {
    method.call(service, request, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, response) => {
      if (error === null) resolve(response)
      else reject(new CriError(name, error))
    })
  })
}
