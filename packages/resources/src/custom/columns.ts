import { humanDuration, type KubernetesObject, parseTime } from '@binnacle/apimachinery'
import { ageColumn, type Cell, nameColumn } from '../columns.ts'
import type { CustomResourceColumnDefinition } from '../generated/types.ts'
import type { PrinterColumn } from '../resource-definition.ts'
import { compileJsonPath } from './json-path.ts'

/** The columns of a kind's table: its name, and what the definition adds; its age where that is nothing. */
export function customColumns(columns: readonly CustomResourceColumnDefinition[] = []): readonly PrinterColumn[] {
  return [nameColumn, ...(columns.length === 0 ? [ageColumnOfCustomKinds] : columns.map(customColumn))]
}

const ageColumnOfCustomKinds: PrinterColumn = {
  ...customColumn({ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }),
  description: ageColumn.description ?? '',
}

function customColumn(definition: CustomResourceColumnDefinition): PrinterColumn {
  const { name, type, format, description, priority, jsonPath } = definition
  const read = compileJsonPath(jsonPath) ?? (() => [])
  return {
    name,
    type: type as PrinterColumn['type'],
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    ...(format === undefined ? {} : { format }),
    ...(priority === undefined ? {} : { priority }),
    value: (object: KubernetesObject, nowMs: number) => cellOf(type, read(object)[0], nowMs),
  }
}

function cellOf(type: string, value: unknown, nowMs: number): Cell {
  if (value === undefined) return null
  switch (type) {
    case 'string':
      return value === null ? '<nil>' : typeof value === 'object' ? JSON.stringify(value) : String(value)
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' ? dateCell(value, nowMs) : null
    default:
      return null
  }
}

function dateCell(text: string, nowMs: number): string {
  if (text === '' || text === 'null') return '<unknown>'
  const ms = /^\d{4}-\d{2}-\d{2}T/.test(text) ? parseTime(text) : Number.NaN
  return Number.isNaN(ms) ? '<invalid>' : humanDuration(nowMs - ms)
}
