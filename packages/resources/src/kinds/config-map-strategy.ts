import {
  configKeyProblems,
  type FieldError,
  forbiddenField,
  invalidValue,
  semanticEqual,
  valueTooLong,
} from '@binnacle/apimachinery'
import type { ConfigMap, Secret } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'

const dataBytesMax = 1024 * 1024

/** Rules of ConfigMaps. */
export const configMapStrategy: Strategy<ConfigMap> = {
  validate(map) {
    const errors = [...keyErrors(map.data, 'data'), ...keyErrors(map.binaryData, 'binaryData')]
    for (const key of Object.keys(map.data ?? {})) {
      if (map.binaryData?.[key] !== undefined)
        errors.push(invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    }
    let bytes = 0
    for (const value of Object.values(map.data ?? {})) bytes += value.length
    for (const value of Object.values(map.binaryData ?? {})) bytes += (value.length * 3) / 4
    if (bytes > dataBytesMax) errors.push(valueTooLong('', dataBytesMax))
    return errors
  },
  validateUpdate(map, old) {
    return immutableErrors(map, old, ['data', 'binaryData'])
  },
}

/** Problems of the keys of a ConfigMap's or Secret's data. */
export function keyErrors(data: Readonly<Record<string, string>> | undefined, field: string): FieldError[] {
  return Object.keys(data ?? {}).flatMap((key) =>
    configKeyProblems(key).map((problem) => invalidValue(`${field}[${key}]`, key, problem)),
  )
}

/** What an immutable ConfigMap or Secret must keep. */
export function immutableErrors<T extends ConfigMap | Secret>(
  object: T,
  old: T,
  fields: readonly string[],
): FieldError[] {
  if (old.immutable !== true) return []
  const errors: FieldError[] = []
  if (object.immutable !== true) errors.push(forbiddenField('immutable', 'field is immutable when `immutable` is set'))
  const [now, before] = [object as unknown as Record<string, unknown>, old as unknown as Record<string, unknown>]
  for (const field of fields) {
    if (!semanticEqual(now[field] ?? {}, before[field] ?? {}))
      errors.push(forbiddenField(field, 'field is immutable when `immutable` is set'))
  }
  return errors
}
