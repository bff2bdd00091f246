import type { KubernetesObject } from '@binnacle/apimachinery'
import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'

/** The object in the version of the definition, parsed; shared, never to be changed. */
export function inVersion(definition: ResourceDefinition, object: StoredObject): KubernetesObject {
  const stored = object.parse() as KubernetesObject
  if (definition.convert !== undefined) return definition.convert.fromStorage(stored)
  const apiVersion = apiVersionOf(definition)
  return stored.apiVersion === apiVersion ? stored : { ...stored, apiVersion }
}
