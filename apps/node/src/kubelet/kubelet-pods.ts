import type { Pod } from '@binnacle/resources'

/** A container of a pod, as those need it who bring its streams. */
export interface RunningContainer {
  readonly id: string
  /** The absolute path of its log. */
  readonly logPath: string
  readonly state: 'waiting' | 'running' | 'terminated'
  readonly tty: boolean
  readonly stdin: boolean
}

/** What the agent's server looks up of the pods that run here. */
export interface KubeletPods {
  /** The pods bound to this node, as last seen. */
  all(): readonly Pod[]
  /** The pod of that name; undefined when none is bound to this node. */
  find(namespace: string, name: string): Pod | undefined
  /** The sandbox that the pod runs in now; undefined when it has none that is ready. */
  sandboxId(podUID: string): string | undefined
  /** The container's newest try, or with `isPrevious` the one before; undefined when there is none. */
  container(podUID: string, name: string, options?: { isPrevious?: boolean }): RunningContainer | undefined
}
