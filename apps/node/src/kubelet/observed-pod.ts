/** A sandbox of a pod, as the runtime knows it. */
export interface ObservedSandbox {
  readonly id: string
  readonly attempt: number
  readonly isReady: boolean
  readonly createdAtMs: number
  /** Empty on the machine's network, and of one that is not ready. */
  readonly ips: readonly string[]
}

/** One try of a container, as the runtime knows it. */
export interface ObservedContainer {
  readonly id: string
  readonly sandboxId: string
  readonly name: string
  /** Counts from 0 over the pod's life: the container's restart count. */
  readonly attempt: number
  readonly state: 'created' | 'running' | 'exited' | 'unknown'
  readonly createdAtMs: number
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly exitCode: number
  readonly reason: string
  readonly message: string
  readonly image: string
  readonly imageRef: string
  readonly logPath: string
  /** What the spec that it was made of hashes to. */
  readonly hash: string
}

/** What runs and ran of a pod, newest first. */
export interface ObservedPod {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  readonly sandboxes: readonly ObservedSandbox[]
  readonly containers: readonly ObservedContainer[]
}

/** The pod's sandbox when there is just one that is ready, so that containers may run in it. */
export function readySandbox({ sandboxes }: ObservedPod): ObservedSandbox | undefined {
  const [newest, ...older] = sandboxes
  return newest?.isReady === true && older.every(({ isReady }) => !isReady) ? newest : undefined
}

/** The newest try of the container of that name. */
export function newestOf({ containers }: ObservedPod, name: string): ObservedContainer | undefined {
  return containers.find((container) => container.name === name)
}
