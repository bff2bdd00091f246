import {
  badRequest,
  type Condition,
  conflict,
  invalid,
  notSupported,
  type ObjectKey,
  required,
  type Status,
  withCondition,
} from '@binnacle/apimachinery'
import { type Binding, type Pod, pods } from '@binnacle/resources'
import type { Store, StoredObject } from '@binnacle/store'
import { topologyLabelsOf } from '../admission/topology-labels.ts'
import type { RequestContext } from '../api-server.ts'
import { changeObject, type WriteEnvironment } from '../write-path.ts'
import { successStatus } from './success-status.ts'

const resource = { group: '', plural: 'pods/binding', kind: 'Binding' }

/** What a binding says: the node, and the pod that it means. */
export interface BindingRequest {
  readonly nodeName: string
  readonly podUID?: string | undefined
  /** Added to the pod's own. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
  /** Likewise. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

/** POST pods/binding, and POST bindings: gives a pod its node. @throws StatusError Invalid | NotFound | Conflict */
export async function createBinding(
  env: WriteEnvironment,
  request: RequestContext,
  key: ObjectKey,
  binding: Binding,
  options: { readonly dryRun: boolean },
): Promise<Status> {
  const { target, metadata } = binding
  if (metadata.name && metadata.name !== key.name) {
    throw badRequest('name in URL does not match name in Binding object')
  }
  const errors = [
    ...(target?.kind && target.kind !== 'Node' ? [notSupported('target.kind', target.kind, ['Node', '<empty>'])] : []),
    ...(target?.name ? [] : [required('target.name')]),
  ]
  if (errors.length > 0) throw invalid({ group: '', plural: 'bindings', kind: 'Binding' }, key.name, errors)
  const { uid: podUID, annotations, labels } = metadata
  const bound = { nodeName: target.name as string, podUID, annotations, labels }
  await bindPod(env, request, key, bound, options)
  return successStatus()
}

/** Gives a pod its node and returns the pod. @throws StatusError NotFound | Conflict */
export async function bindPod(
  env: WriteEnvironment,
  request: RequestContext,
  key: ObjectKey,
  binding: BindingRequest,
  options: { readonly dryRun?: boolean } = {},
): Promise<StoredObject> {
  const wanted = withTopologyLabels(env.store, binding)
  return await changeObject(env, request, pods, key, (old) => boundPod(old as Pod, wanted, env.nowMs()), options)
}

/** The binding with the labels that the pod gets from its node. */
export function withTopologyLabels(store: Pick<Store, 'get'>, binding: BindingRequest): BindingRequest {
  return { ...binding, labels: { ...topologyLabelsOf(store, binding.nodeName), ...binding.labels } }
}

/**
 * The pod on its node (registry/core/pod `storage.go` assignPod). The pod given is not changed.
 * @throws StatusError Conflict when it is another pod, goes away, has a node or is held back by gates
 */
export function boundPod(pod: Pod, { nodeName, podUID, annotations, labels }: BindingRequest, nowMs: number): Pod {
  const { metadata, spec } = pod
  const { nominatedNodeName: _reserved, ...status } = pod.status ?? {}
  const refuse = (why: string): Error => conflict(resource, metadata.name, why)
  if (podUID !== undefined && podUID !== '' && podUID !== metadata.uid) {
    throw refuse(`Precondition failed: UID in precondition: ${podUID}, UID in object meta: ${metadata.uid}`)
  }
  if (metadata.deletionTimestamp !== undefined) {
    throw refuse(`pod ${metadata.name} is being deleted, cannot be assigned to a host`)
  }
  if (spec?.nodeName) throw refuse(`pod ${metadata.name} is already assigned to node "${spec.nodeName}"`)
  if ((spec?.schedulingGates ?? []).length > 0) throw refuse(`pod ${metadata.name} has non-empty .spec.schedulingGates`)
  const scheduled: Condition = {
    type: 'PodScheduled',
    status: 'True',
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
  }
  const conditions = withCondition(status.conditions as readonly Condition[] | undefined, scheduled, nowMs)
  return {
    ...pod,
    metadata: {
      ...metadata,
      ...(annotations === undefined ? {} : { annotations: { ...metadata.annotations, ...annotations } }),
      ...(hasAny(labels) ? { labels: { ...metadata.labels, ...labels } } : {}),
    },
    spec: { ...(spec as NonNullable<Pod['spec']>), nodeName },
    status: { ...status, conditions: [...conditions] as NonNullable<NonNullable<Pod['status']>['conditions']> },
  }
}

function hasAny(map: object | undefined): boolean {
  return map !== undefined && Object.keys(map).length > 0
}
