import type { Container, Pod as ApiPod, PodSpec } from '@binnacle/resources'

/** A pod bound to this node. */
export type Pod = ApiPod & { readonly spec: PodSpec }

/** True for an init container that goes on beside the others (`podutil.IsRestartableInitContainer`). */
export function isSidecar(pod: Pod, container: Container): boolean {
  return container.restartPolicy === 'Always' && pod.spec.initContainers?.includes(container) === true
}

/** Init, app and ephemeral containers, in the order in which they come to run. */
export function containersOf(pod: Pod): readonly Container[] {
  const ephemeral = (pod.spec.ephemeralContainers ?? []) as readonly Container[]
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers, ...ephemeral]
}

/** How events name a container (kubelet `GenerateContainerRef`). */
export function containerPath(pod: Pod, name: string): string {
  if (pod.spec.initContainers?.some((c) => c.name === name)) return `spec.initContainers{${name}}`
  if (pod.spec.ephemeralContainers?.some((c) => c.name === name)) return `spec.ephemeralContainers{${name}}`
  return `spec.containers{${name}}`
}

/** A pod as messages name it (kubelet `format.Pod`). */
export function podText({ metadata: { name, namespace, uid } }: Pod): string {
  return `${name}_${namespace}(${uid})`
}

/** True when the pod has come to its end, as last written. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/**
 * Whether a container that has ended is to run again: its own rules first, then its own policy, then the pod's (`podutil.ContainerShouldRestart`).
 */
export function shouldRestart(pod: Pod, container: Container, exitCode: number): boolean {
  for (const { action, exitCodes } of container.restartPolicyRules ?? []) {
    if (action !== 'Restart' || exitCodes === undefined) continue
    const isAmong = exitCodes.values?.includes(exitCode) === true
    if (isAmong === (exitCodes.operator === 'In')) return true
  }
  if (pod.spec.ephemeralContainers?.some(({ name }) => name === container.name)) return false
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always'
  const isInit = pod.spec.initContainers?.includes(container) === true && container.restartPolicy === undefined
  return policy === 'Always' ? !isInit || exitCode !== 0 : policy === 'OnFailure' && exitCode !== 0
}
