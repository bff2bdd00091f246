import {
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  badRequest,
  type KubernetesObject,
  type ObjectSchema,
  type SchemaLookup,
  StatusError,
} from '@binnacle/apimachinery'
import type { Patch } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'
import { cloneJson } from './clone-json.ts'

/**
 * Refuses patches of a type that a kind does not take: custom kinds have no keys to merge lists by strategically.
 * @throws StatusError UnsupportedMediaType
 */
export function checkPatchType(definition: ResourceDefinition, patch: Patch): void {
  if (patch.type === 'strategic' && definition.custom !== undefined) throw unsupportedPatch(definition)
}

/** The refusal of a patch type, with those that the kind takes. */
export function unsupportedPatch({ custom }: ResourceDefinition): StatusError {
  const types = [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(custom === undefined ? ['application/strategic-merge-patch+json'] : []),
    'application/apply-patch+yaml',
  ]
  return new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${types.join(', ')}`,
  )
}

/** Applies a patch of any of the three types; neither value is changed. The result is the caller's own. */
export function applyPatch(
  object: KubernetesObject,
  patch: Patch,
  schema: ObjectSchema,
  schemas: SchemaLookup,
): unknown {
  if (patch.type === 'json') return applyJsonPatch(object, patch.operations)
  if (typeof patch.body !== 'object' || patch.body === null || Array.isArray(patch.body))
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${Array.isArray(patch.body) ? 'array' : typeof patch.body} into Go value of type map[string]interface {}`,
    )
  const merged =
    patch.type === 'merge'
      ? applyMergePatch(object, patch.body)
      : applyStrategicMergePatch(object, patch.body, schema, schemas)
  // Parts that the patch left alone are still the old object's: what follows changes its own copy.
  return cloneJson(merged)
}

/** True when a patch names the resourceVersion that it is meant for: it is then not tried again on conflicts. */
export function isPinned(patch: Patch): boolean {
  if (patch.type === 'json')
    return patch.operations.some((operation) => (operation as { path?: string }).path === '/metadata/resourceVersion')
  return Boolean((patch.body as { metadata?: { resourceVersion?: string } } | null)?.metadata?.resourceVersion)
}
