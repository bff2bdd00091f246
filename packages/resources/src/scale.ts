import {
  badRequest,
  invalid,
  invalidValue,
  type KubernetesObject,
  selectorFromLabelSelector,
  selectorFromMap,
  StatusError,
} from '@binnacle/apimachinery'
import { valueAt } from './custom/scale-values.ts'
import type { Scale } from './generated/types.ts'
import type { ResourceDefinition, ScaleSubresource } from './resource-definition.ts'

/** The subresource `scale` of any kind that has one: `autoscaling/v1 Scale`, the number of replicas wanted and present. */

/** The scale paths of a definition. @throws StatusError NotFound when it has none. */
export function scalePaths(definition: ResourceDefinition<any>): ScaleSubresource {
  if (definition.subresources.scale === undefined)
    throw new StatusError('NotFound', 'the server could not find the requested resource')
  return definition.subresources.scale
}

/** The Scale of an object. */
export function scaleOf(definition: ResourceDefinition<any>, object: KubernetesObject): Scale {
  const paths = scalePaths(definition)
  const selector = selectorText(definition, paths, object)
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid: uid ?? '',
      resourceVersion: resourceVersion ?? '',
      creationTimestamp: creationTimestamp ?? '',
    },
    spec: { replicas: Number(valueAt(object, paths.specReplicasPath) ?? 0) },
    status: {
      replicas: Number(valueAt(object, paths.statusReplicasPath) ?? 0),
      ...(selector === undefined ? {} : { selector }),
    },
  }
}

function selectorText(
  { plural, custom }: ResourceDefinition<any>,
  { selectorPath }: ScaleSubresource,
  object: KubernetesObject,
): string | undefined {
  // A custom kind has a selector's text.
  if (custom !== undefined) return (selectorPath === '' ? '' : (valueAt(object, selectorPath) as string)) || undefined
  const { selector } = (object as KubernetesObject & { spec?: { selector?: object } }).spec ?? {}
  if (selector === undefined) return undefined
  const isPlainMap = plural === 'replicationcontrollers'
  return (
    isPlainMap ? selectorFromMap(selector as Record<string, string>) : selectorFromLabelSelector(selector)
  ).toString()
}

/**
 * Refuses to tell the Scale of a custom object that says nothing of its replicas.
 * @throws StatusError InternalError
 */
export function checkReplicas(definition: ResourceDefinition<any>, object: KubernetesObject): void {
  const { specReplicasPath } = scalePaths(definition)
  if (definition.custom !== undefined && valueAt(object, specReplicasPath) === undefined)
    throw new StatusError(
      'InternalError',
      `Internal error occurred: the spec replicas field ${JSON.stringify(specReplicasPath)} does not exist`,
    )
}

/** The object with the replicas that a Scale asks for. @throws StatusError Invalid | BadRequest */
export function withReplicas(
  definition: ResourceDefinition<any>,
  old: KubernetesObject,
  scale: unknown,
): KubernetesObject {
  const { spec, metadata, kind } = (scale ?? {}) as Partial<Scale>
  if (kind !== undefined && kind !== 'Scale') throw badRequest(`expected a Scale, not a ${kind}`)
  if (metadata?.name !== undefined && metadata.name !== old.metadata.name)
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${old.metadata.name})`,
    )
  const replicas = spec?.replicas ?? 0
  if (!Number.isInteger(replicas))
    throw badRequest(
      'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32',
    )
  if (replicas < 0)
    throw invalid({ group: 'autoscaling', plural: 'scales', kind: 'Scale' }, old.metadata.name, [
      invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ])
  const parts = scalePaths(definition).specReplicasPath.replace(/^\./, '').split('.')
  const next = structuredClone(old) as unknown as Record<string, any>
  let target = next
  for (const part of parts.slice(0, -1)) target = target[part] ??= {}
  target[parts.at(-1) as string] = replicas
  if (metadata?.resourceVersion) next['metadata'].resourceVersion = metadata.resourceVersion
  return next as unknown as KubernetesObject
}
