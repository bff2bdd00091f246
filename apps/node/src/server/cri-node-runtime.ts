import type { Pod } from '@binnacle/resources'
import { type CriClient, isCriNotFound } from '../cri/cri-client.ts'
import type { LoggedContainer, NodeRuntime, ProcessStreams } from './runtime.ts'

/** What the kubelet knows and the container runtime does not. */
export type ServedPods = Pick<NodeRuntime, 'pods' | 'sandboxOf'>

/** The agent's server on top of a CRI runtime. */
export class CriNodeRuntime implements NodeRuntime {
  readonly #cri: CriClient
  readonly #kubelet: ServedPods

  constructor(cri: CriClient, kubelet: ServedPods) {
    this.#cri = cri
    this.#kubelet = kubelet
  }

  pods(): readonly Pod[] {
    return this.#kubelet.pods()
  }

  sandboxOf(podUid: string): string | undefined {
    return this.#kubelet.sandboxOf(podUid)
  }

  async container(id: string): Promise<LoggedContainer | undefined> {
    try {
      const { logPath, state } = await this.#cri.containerStatus(id)
      return { logPath, isRunning: state === 'CONTAINER_RUNNING' }
    } catch (error) {
      if (isCriNotFound(error)) return undefined
      throw error
    }
  }

  exec(containerId: string, command: readonly string[], streams: ProcessStreams): Promise<string> {
    return this.#cri.exec(containerId, command, streams)
  }

  attach(containerId: string, streams: ProcessStreams): Promise<string> {
    return this.#cri.attach(containerId, streams)
  }

  portForward(sandboxId: string, ports: readonly number[]): Promise<string> {
    return this.#cri.portForward(sandboxId, ports)
  }
}
