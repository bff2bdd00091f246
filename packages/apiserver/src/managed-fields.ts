import {
  entriesAfterUpdate,
  formatTime,
  type KubernetesObject,
  type ManagedFieldsEntry,
  type ManagedWrite,
} from '@binnacle/apimachinery'
import { apiVersionOf, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import type { RequestContext, WriteRequestOptions } from './api-server.ts'

/** Who owns the fields that a write sets, as far as the write itself says. */
export interface OwnershipOptions extends WriteRequestOptions {
  readonly subresource?: string | undefined
  /** The subresource that owns, where another one than is written: a Scale changes the object itself. */
  readonly ownerSubresource?: string
  /** For a server-side apply: its own outcome, instead of what an update would leave. */
  readonly applied?: () => ManagedFieldsEntry[] | undefined
}

interface OwnershipEnvironment {
  readonly registry: ResourceRegistry
  nowMs(): number
}

const managerLengthMax = 128

/** The field manager of a request: the one that it names, else the first part of its User-Agent. */
function managerOf({ userAgent }: RequestContext, { fieldManager }: WriteRequestOptions): string {
  return (fieldManager || (userAgent.split('/')[0] as string)).slice(0, managerLengthMax) || 'unknown'
}

/** A write, as the field manager wants to know it. */
export function managedWrite(
  env: OwnershipEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  options: OwnershipOptions,
): ManagedWrite {
  const { subresource, ownerSubresource } = options
  const hasStatus = definition.subresources.status === true
  return {
    schema: definition.schema,
    schemas: env.registry.schemas,
    apiVersion: apiVersionOf(definition),
    manager: managerOf(request, options),
    subresource: ownerSubresource ?? subresource ?? '',
    unmanaged: subresource === 'status' ? ['spec'] : hasStatus ? ['status'] : [],
    now: formatTime(env.nowMs()),
  }
}

/** Sets the managed fields of an object that is about to be written. `given` is what the client sent as such. */
export function setManagedFields(
  write: ManagedWrite,
  object: KubernetesObject,
  old: KubernetesObject | undefined,
  { given, applied }: { given: ManagedFieldsEntry[] | undefined; applied: OwnershipOptions['applied'] },
): void {
  const { metadata } = object
  // The entries themselves are no fields that anybody owns.
  if (old?.metadata.managedFields === undefined) delete metadata.managedFields
  else metadata.managedFields = old.metadata.managedFields
  const entries = applied === undefined ? entriesAfterUpdate(write, old, object, given) : applied()
  if (entries === undefined) delete metadata.managedFields
  else metadata.managedFields = entries
}
