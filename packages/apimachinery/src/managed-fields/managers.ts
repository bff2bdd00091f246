import type { ManagedFieldsEntry } from '../object.ts'
import { type FieldSet, isFieldSet, unionOf } from './field-set.ts'

/** Who owns which fields of an object: `metadata.managedFields`, decoded. */

/** One manager and its fields. */
export interface Manager {
  readonly name: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly subresource: string
  readonly time: string | undefined
  readonly fields: FieldSet
}

/** Managers by what tells them apart. */
export type Managers = ReadonlyMap<string, Manager>

/** More updaters than these are joined, the oldest first, under one name. */
const updatersMax = 10
const joinedName = 'ancient-changes'

/** What tells a manager from others: an applier is one whatever version it applies. */
export function identityOf(manager: Pick<Manager, 'name' | 'operation' | 'apiVersion' | 'subresource'>): string {
  const { name, operation, apiVersion, subresource } = manager
  return JSON.stringify([name, operation, subresource, operation === 'Update' ? apiVersion : ''])
}

/** Undefined when the entries are not well formed; nothing then is known of any manager. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers | undefined {
  const managers = new Map<string, Manager>()
  for (const entry of entries ?? []) {
    const { manager = '', operation, apiVersion, fieldsType, fieldsV1, subresource = '', time } = entry
    if (operation !== 'Apply' && operation !== 'Update') return undefined
    if (apiVersion === undefined || fieldsType !== 'FieldsV1' || !isFieldSet(fieldsV1 ?? {})) return undefined
    const decoded: Manager = {
      name: manager,
      operation,
      apiVersion,
      subresource,
      time,
      fields: (fieldsV1 ?? {}) as FieldSet,
    }
    managers.set(identityOf(decoded), decoded)
  }
  return managers
}

/** The entries, in kube-apiserver's order; undefined when there is none. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] | undefined {
  const all = joinOldest([...managers.values()].filter(({ fields }) => Object.keys(fields).length > 0))
  if (all.length === 0) return undefined
  return all.sort(compareManagers).map(({ name, operation, apiVersion, subresource, time, fields }) => ({
    manager: name,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
    ...(subresource === '' ? {} : { subresource }),
  }))
}

function compareManagers(a: Manager, b: Manager): number {
  return (
    compareTexts(a.operation, b.operation) ||
    compareTexts(a.time ?? '', b.time ?? '') ||
    compareTexts(a.name, b.name) ||
    compareTexts(a.apiVersion, b.apiVersion) ||
    compareTexts(a.subresource, b.subresource)
  )
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

// Joined by version, as fields of different versions are no common set.
function joinOldest(managers: Manager[]): Manager[] {
  const updaters = managers.filter(({ operation }) => operation === 'Update').sort(compareManagers)
  const surplus = updaters.length - updatersMax
  if (surplus <= 0) return managers
  const joined = new Map<string, Manager>()
  const oldest = updaters.slice(0, surplus + 1)
  for (const manager of oldest) {
    const before = joined.get(manager.apiVersion)
    joined.set(manager.apiVersion, {
      ...manager,
      name: joinedName,
      subresource: '',
      fields: unionOf(before?.fields, manager.fields) as FieldSet,
    })
  }
  return [...managers.filter((manager) => !oldest.includes(manager)), ...joined.values()]
}
