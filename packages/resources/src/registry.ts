import type { SchemaLookup } from '@binnacle/apimachinery'
import type { ResourceDefinition } from './resource-definition.ts'

/** Every resource that a server knows, by each of the ways in which it is asked for. */
export interface ResourceRegistry {
  /** Every definition, in discovery order (core first, then groups by upstream's priority, versions by stability). */
  readonly all: readonly ResourceDefinition[]
  /** Those served under the runtime configuration in force. */
  readonly served: readonly ResourceDefinition[]
  byResource(group: string, version: string, plural: string): ResourceDefinition | undefined
  byKind(group: string, version: string, kind: string): ResourceDefinition | undefined
  /** The definition in its storage version. */
  byStorageName(storageName: string): ResourceDefinition | undefined
  readonly schemas: SchemaLookup
}
