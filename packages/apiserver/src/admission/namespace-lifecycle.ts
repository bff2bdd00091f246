import { type KubernetesObject, notFound, qualifiedResource, StatusError } from '@binnacle/apimachinery'
import { namespaces, type ResourceDefinition } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

/** Objects are created only in namespaces that exist and are not being deleted (plugin NamespaceLifecycle). */
export async function checkNamespace(
  store: AdmissionStore,
  definition: ResourceDefinition,
  object: KubernetesObject,
): Promise<void> {
  const name = object.metadata.namespace ?? ''
  const key = { resource: namespaces.storageName, namespace: '', name }
  let namespace = store.get(key)
  if (namespace === undefined) {
    // Another API process may have created it just now.
    await store.linearize()
    namespace = store.get(key)
  }
  if (namespace === undefined) throw notFound(namespaces, name)
  const { metadata, status } = namespace.parse() as KubernetesObject & { status?: { phase?: string } }
  if (metadata.deletionTimestamp === undefined && status?.phase !== 'Terminating') return
  throw new StatusError(
    'Forbidden',
    `${qualifiedResource(definition)} "${object.metadata.name}" is forbidden: unable to create new content in namespace ${name} because it is being terminated`,
    {
      name: object.metadata.name,
      ...(definition.group === '' ? {} : { group: definition.group }),
      kind: definition.plural,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${name} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    },
  )
}
