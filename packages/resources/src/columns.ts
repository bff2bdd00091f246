import { ageOf, type KubernetesObject } from '@binnacle/apimachinery'
import type { PrinterColumn } from './resource-definition.ts'

/** Cells that a column can give. */
export type Cell = string | number | boolean | null

/** A column of text; `wide` ones are shown by `-o wide` only. */
export function column<T extends KubernetesObject>(
  name: string,
  value: (object: T, nowMs: number) => Cell,
  options: { type?: PrinterColumn['type']; wide?: boolean; description?: string } = {},
): PrinterColumn<T> {
  return {
    name,
    type: options.type ?? 'string',
    priority: options.wide === true ? 1 : 0,
    ...(options.description === undefined ? {} : { description: options.description }),
    value,
  }
}

/** A column of whole numbers. */
export function integerColumn<T extends KubernetesObject>(
  name: string,
  value: (object: T) => number | undefined,
  options: { wide?: boolean } = {},
): PrinterColumn<T> {
  return column<T>(name, (object) => value(object) ?? 0, { type: 'integer', ...options })
}

/** The first column of every table. */
export const nameColumn: PrinterColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace. Is required when creating resources.',
  value: (object) => object.metadata.name,
}

/** How long ago the object was created. */
export const ageColumn: PrinterColumn = {
  name: 'Age',
  type: 'string',
  description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
  value: (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs),
}

/** Containers, images and selector: what -o wide adds for workloads. */
export function workloadWideColumns<T extends KubernetesObject>(
  containersOf: (object: T) => readonly { name: string; image?: string }[] | undefined,
  selectorOf: (object: T) => string,
): PrinterColumn<T>[] {
  return [
    column<T>('Containers', (object) => (containersOf(object) ?? []).map((container) => container.name).join(','), {
      wide: true,
    }),
    column<T>('Images', (object) => (containersOf(object) ?? []).map((container) => container.image ?? '').join(','), {
      wide: true,
    }),
    column<T>('Selector', selectorOf, { wide: true }),
  ]
}

/** A plain map as a selector's text, `<none>` when empty. */
export function mapText(map: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(map ?? {}).map(([key, value]) => `${key}=${value}`)
  return entries.length === 0 ? '<none>' : entries.sort().join(',')
}
