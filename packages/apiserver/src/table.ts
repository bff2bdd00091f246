import type { ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'
import type { Table } from './api-server.ts'
import { inVersion } from './in-version.ts'

/** The columns of a definition as a Table describes them. */
export function tableColumns(definition: ResourceDefinition): Table['columnDefinitions'] {
  return definition.printerColumns.map((column) => ({
    name: column.name,
    type: column.type,
    format: column.format ?? '',
    description: column.description ?? '',
    priority: column.priority ?? 0,
  }))
}

/** The cells of one object. */
export function tableCells(
  definition: ResourceDefinition,
  object: StoredObject,
  nowMs: number,
): (string | number | boolean | null)[] {
  const parsed = inVersion(definition, object)
  return definition.printerColumns.map((column) => column.value(parsed, nowMs))
}

/** A Table of objects. */
export function tableOf(definition: ResourceDefinition, objects: readonly StoredObject[], nowMs: number): Table {
  return {
    columnDefinitions: tableColumns(definition),
    rows: objects.map((object) => ({ cells: tableCells(definition, object, nowMs), object })),
  }
}
