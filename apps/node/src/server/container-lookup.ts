import type { ContainerStatus, Pod } from '@binnacle/resources'

/** A refusal of the agent's server: an HTTP code and a sentence, as a kubelet answers (no Status). */
export class AgentError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

function statusOf({ status }: Pod, container: string): ContainerStatus | undefined {
  const all = [status?.containerStatuses, status?.initContainerStatuses, status?.ephemeralContainerStatuses]
  return all.flatMap((list) => list ?? []).find(({ name }) => name === container)
}

const idOf = (reference: string | undefined): string => (reference ?? '').replace(/^[^:]+:\/\//, '')

/**
 * The container whose log is meant by a name: the one that runs, or else the last one that ran (kubelet `validateContainerLogStatus`).
 * @throws AgentError that says why there is none
 */
export function loggedContainer(pod: Pod, container: string, previous: boolean): string {
  const what = `container "${container}" in pod "${pod.metadata.name}"`
  const status = statusOf(pod, container)
  if (status === undefined) throw new AgentError(400, `${what} is not available`)
  const { running, terminated, waiting } = status.state ?? {}
  const last = idOf(status.lastState?.terminated?.containerID)
  if (previous) {
    if (last === '') throw new AgentError(400, `previous terminated ${what} not found`)
    return last
  }
  if (running !== undefined) return idOf(status.containerID)
  if (terminated !== undefined || status.lastState?.terminated !== undefined) {
    const id = idOf(terminated?.containerID) || last
    if (id === '') throw new AgentError(400, `${what} is terminated`)
    return id
  }
  if (waiting === undefined) throw new AgentError(400, `${what} is waiting to start - no logs yet`)
  throw new AgentError(400, `${what} is waiting to start: ${waitingText[waiting.reason ?? ''] ?? waiting.reason ?? ''}`)
}

const waitingText: Record<string, string> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
}

/** The running container of a name, for exec and attach. @throws AgentError when none runs */
export function runningContainer(pod: Pod, container: string): string {
  const status = statusOf(pod, container)
  const id = status?.state?.running === undefined ? '' : idOf(status.containerID)
  if (id === '') throw new AgentError(500, `container not found ("${container}")`)
  return id
}
