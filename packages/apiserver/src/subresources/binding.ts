import { badRequest, conflict, formatTime, type KubernetesObject, StatusError } from '@binnacle/apimachinery'
import { type Binding, type Pod, pods } from '@binnacle/resources'

/** The pod with the node that a binding gives it (kube-apiserver `registry/core/pod/storage` BindingREST). @throws StatusError */
export function boundPod(old: KubernetesObject, binding: Binding): KubernetesObject {
  const pod = old as Pod
  const { name } = pod.metadata
  const node = binding.target?.name
  if (binding.target?.kind && binding.target.kind !== 'Node') throw badRequest('target.kind: Unsupported value')
  if (!node) throw badRequest('target.name: Required value')
  if (binding.metadata?.uid && binding.metadata.uid !== pod.metadata.uid)
    throw conflict(
      pods,
      name,
      `Precondition failed: UID in precondition: ${binding.metadata.uid}, UID in object meta: ${pod.metadata.uid}`,
    )
  if (pod.metadata.deletionTimestamp !== undefined)
    throw conflict(pods, name, `pod ${name} is being deleted, cannot be assigned to a host`)
  if (pod.spec?.nodeName) throw conflict(pods, name, `pod ${name} is already assigned to node "${pod.spec.nodeName}"`)
  if ((pod.spec?.schedulingGates ?? []).length > 0)
    throw conflict(pods, name, `pod ${name} has non-empty .spec.schedulingGates`)
  const condition = {
    type: 'PodScheduled',
    status: 'True',
    lastTransitionTime: formatTime(Date.now()),
    observedGeneration: pod.metadata.generation ?? 1,
  }
  const conditions = [
    ...(pod.status?.conditions ?? []).filter((existing) => existing.type !== 'PodScheduled'),
    condition,
  ]
  const annotations = { ...pod.metadata.annotations, ...binding.metadata?.annotations }
  const metadata = Object.keys(annotations).length === 0 ? pod.metadata : { ...pod.metadata, annotations }
  return {
    ...pod,
    metadata,
    spec: { ...pod.spec, nodeName: node },
    status: { ...pod.status, conditions },
  } as KubernetesObject
}

/** The answer to a binding or eviction that was carried out. */
export const created = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as const

/** No such subresource. */
export function unknownSubresource(): StatusError {
  return new StatusError('NotFound', 'the server could not find the requested resource')
}
