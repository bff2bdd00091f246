import type { Pod } from '@binnacle/resources'

/** Which streams of a process are wanted, and whether it has a terminal. */
export interface ProcessStreams {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
}

/** A container as its runtime knows it. */
export interface LoggedContainer {
  /** The file that holds its output, in the format of the CRI. */
  readonly logPath: string
  readonly isRunning: boolean
}

/**
 * What the agent's server needs of the kubelet and of the container runtime. Container and sandbox ids are the runtime's own, without its scheme.
 * The three streams are answered with a URL at which the runtime serves them once, on this machine (CRI `Exec`, `Attach` and `PortForward`).
 */
export interface NodeRuntime {
  /** The pods of this node with the kubelet's newest status, which the API server may not know yet. */
  pods(): readonly Pod[]
  /** The sandbox that a pod runs in; undefined while it has none. */
  sandboxOf(podUid: string): string | undefined
  /** Undefined when the runtime no longer knows the container. */
  container(id: string): Promise<LoggedContainer | undefined>
  exec(containerId: string, command: readonly string[], streams: ProcessStreams): Promise<string>
  attach(containerId: string, streams: ProcessStreams): Promise<string>
  portForward(sandboxId: string, ports: readonly number[]): Promise<string>
}
