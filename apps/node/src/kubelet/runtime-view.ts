import type { CriClient } from '../cri/cri-client.ts'
import { isCriNotFound } from '../cri/cri-client.ts'
import type { PodSandbox, PodSandboxStatus, RuntimeContainer, RuntimeContainerStatus } from '../cri/messages.ts'
import type { ObservedContainer, ObservedPod, ObservedSandbox } from './observed-pod.ts'
import { readTerminationMessage } from './termination-message.ts'

/** The labels by which the runtime knows whose a sandbox or container is (kubelet `types.labels`). */
export const podNameLabel = 'io.kubernetes.pod.name'
/** The pod's namespace. */
export const podNamespaceLabel = 'io.kubernetes.pod.namespace'
/** The pod's uid. */
export const podUIDLabel = 'io.kubernetes.pod.uid'
/** The node whose agent made a sandbox. */
export const nodeNameLabel = 'binnacle.dev/node'
/** The container's name in the pod. */
export const containerNameLabel = 'io.kubernetes.container.name'
/** The annotation with the hash of what a container was made of. */
export const hashAnnotation = 'io.kubernetes.container.hash'
/** The annotation with the file on the node that holds the container's termination message. */
export const terminationFileAnnotation = 'binnacle.dev/termination-message-file'
/** `File` or `FallbackToLogsOnError`. */
export const terminationPolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy'

const states = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
} as const

const labelOf = (labels: Readonly<Record<string, string>>, name: string): string => labels[name] ?? ''

/**
 * What the runtime knows of pods (kubelet's pod lifecycle event generator): lists of sandboxes and containers, and details of those whose state is new.
 * `onChange` tells of pods in which something started, ended or went.
 */
export class RuntimeView {
  readonly #cri: CriClient
  readonly #onChange: (podUID: string) => void
  readonly #pods = new Map<string, ObservedPod>()
  readonly #ids = new Map<string, string>()
  #relisting: Promise<void> | undefined

  constructor(cri: CriClient, onChange: (podUID: string) => void) {
    this.#cri = cri
    this.#onChange = onChange
  }

  /** What was seen last of a pod; empty when nothing runs or ran of it. */
  get(podUID: string): ObservedPod {
    return this.#pods.get(podUID) ?? { uid: podUID, namespace: '', name: '', sandboxes: [], containers: [] }
  }

  /** All pods that the runtime knows of. */
  all(): IterableIterator<ObservedPod> {
    return this.#pods.values()
  }

  /** The pod of a container or sandbox. */
  podOf(id: string): string | undefined {
    return this.#ids.get(id)
  }

  /** Looks at one pod. */
  async refresh(podUID: string): Promise<ObservedPod> {
    const selector = { [podUIDLabel]: podUID }
    const [sandboxes, containers] = await Promise.all([
      this.#cri.listPodSandboxes(selector),
      this.#cri.listContainers(selector),
    ])
    await this.#take(podUID, sandboxes, containers)
    return this.get(podUID)
  }

  /** Looks at everything. Calls that come while it looks wait for the same answer. */
  relist(): Promise<void> {
    this.#relisting ??= this.#relist().finally(() => {
      this.#relisting = undefined
    })
    return this.#relisting
  }

  async #relist(): Promise<void> {
    const [sandboxes, containers] = await Promise.all([this.#cri.listPodSandboxes(), this.#cri.listContainers()])
    const sandboxesOf = Map.groupBy(sandboxes, ({ labels }) => labelOf(labels, podUIDLabel))
    const containersOf = Map.groupBy(containers, ({ labels }) => labelOf(labels, podUIDLabel))
    const uids = new Set([...sandboxesOf.keys(), ...containersOf.keys(), ...this.#pods.keys()])
    for (const uid of uids) {
      const old = this.#pods.get(uid)
      await this.#take(uid, sandboxesOf.get(uid) ?? [], containersOf.get(uid) ?? [])
      if (signatureOf(old) !== signatureOf(this.#pods.get(uid))) this.#onChange(uid)
    }
  }

  async #take(uid: string, sandboxes: readonly PodSandbox[], containers: readonly RuntimeContainer[]): Promise<void> {
    const old = this.get(uid)
    const seen = await Promise.all([
      Promise.all(sandboxes.map((sandbox) => this.#sandbox(sandbox, old))),
      Promise.all(containers.map((container) => this.#container(container, old))),
    ])
    for (const { id } of [...old.sandboxes, ...old.containers]) this.#ids.delete(id)
    const observed = {
      uid,
      namespace: labelOf((sandboxes[0] ?? containers[0])?.labels ?? {}, podNamespaceLabel),
      name: labelOf((sandboxes[0] ?? containers[0])?.labels ?? {}, podNameLabel),
      sandboxes: seen[0].filter((s) => s !== undefined).toSorted((a, b) => b.createdAtMs - a.createdAtMs),
      containers: seen[1]
        .filter((c) => c !== undefined)
        .toSorted((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs),
    }
    if (observed.sandboxes.length + observed.containers.length === 0) this.#pods.delete(uid)
    else this.#pods.set(uid, observed)
    for (const { id } of [...observed.sandboxes, ...observed.containers]) this.#ids.set(id, uid)
  }

  async #sandbox(sandbox: PodSandbox, old: ObservedPod): Promise<ObservedSandbox | undefined> {
    const isReady = sandbox.state === 'SANDBOX_READY'
    const known = old.sandboxes.find(({ id }) => id === sandbox.id)
    if (known !== undefined && known.isReady === isReady) return known
    const status = isReady ? await unlessGone(this.#cri.podSandboxStatus(sandbox.id)) : sandbox
    return status === undefined ? undefined : observedSandbox(status)
  }

  async #container(container: RuntimeContainer, old: ObservedPod): Promise<ObservedContainer | undefined> {
    const known = old.containers.find(({ id }) => id === container.id)
    if (known !== undefined && known.state === states[container.state]) return known
    const status = await unlessGone(this.#cri.containerStatus(container.id))
    return status === undefined ? undefined : observedContainer(status, container)
  }
}

async function unlessGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (isCriNotFound(error)) return undefined
    throw error
  }
}

function observedSandbox(status: PodSandbox | PodSandboxStatus): ObservedSandbox {
  const network = 'network' in status ? status.network : null
  const ips = [network?.ip ?? '', ...(network?.additionalIps ?? []).map(({ ip }) => ip)].filter((ip) => ip !== '')
  const { id, metadata, state, createdAt } = status
  return { id, attempt: metadata.attempt, isReady: state === 'SANDBOX_READY', createdAtMs: toMs(createdAt), ips }
}

function observedContainer(status: RuntimeContainerStatus, { podSandboxId }: RuntimeContainer): ObservedContainer {
  const { id, metadata, annotations } = status
  return {
    id,
    sandboxId: podSandboxId,
    name: metadata.name,
    attempt: metadata.attempt,
    state: states[status.state],
    createdAtMs: toMs(status.createdAt),
    startedAtMs: toMs(status.startedAt),
    finishedAtMs: toMs(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.state === 'CONTAINER_EXITED' ? messageOf(status) : '',
    image: status.image?.image ?? '',
    imageRef: status.imageRef,
    logPath: status.logPath,
    hash: annotations[hashAnnotation] ?? '',
  }
}

function messageOf({ annotations, exitCode, message, logPath }: RuntimeContainerStatus): string {
  const file = annotations[terminationFileAnnotation]
  const fallsBack = annotations[terminationPolicyAnnotation] === 'FallbackToLogsOnError' && exitCode !== 0
  return readTerminationMessage(file, fallsBack ? logPath : undefined) || message
}

function toMs(nanoseconds: string): number {
  return Math.floor(Number(nanoseconds) / 1e6)
}

function signatureOf(pod: ObservedPod | undefined): string {
  if (pod === undefined) return ''
  const { sandboxes, containers } = pod
  return [...sandboxes.map((s) => `${s.id}${s.isReady}`), ...containers.map((c) => `${c.id}${c.state}`)].join()
}
