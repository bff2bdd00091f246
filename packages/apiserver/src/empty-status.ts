import type { KubernetesObject, ObjectSchema, SchemaLookup } from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'

/**
 * Gives a new object of a built-in kind the status that kube-apiserver's Go types have before any controller has spoken: it is never absent, its required
 * counts are 0. Clients of every language read it without asking whether it is there.
 */
export function addEmptyStatus(definition: ResourceDefinition, object: KubernetesObject, schemas: SchemaLookup): void {
  const target = object as KubernetesObject & { status?: unknown }
  // Custom resources have what their authors give them.
  if (target.status !== undefined || definition.subresources.status !== true || definition.custom !== undefined) return
  const type = definition.schema.byName.get('status')?.type
  if (type?.kind !== 'object' || !type.name.startsWith('io.k8s.')) return
  target.status = emptyStatus(schemas(type.name))
}

function emptyStatus({ fields }: ObjectSchema): Record<string, unknown> {
  const status: Record<string, unknown> = {}
  for (const { name, type, required } of fields) {
    if (name === 'loadBalancer') status[name] = {}
    else if (required && type.kind === 'scalar' && (type.scalar === 'int32' || type.scalar === 'int64'))
      status[name] = 0
  }
  return status
}
