import { type FieldError, invalidValue } from '@binnacle/apimachinery'
import type { ScaleSubresource } from '../resource-definition.ts'
import { isJsonObject } from './json-schema.ts'

/** The values that the subresource `scale` of a custom kind reads, at the paths that its definition names (apiextensions-apiserver `validator.go`). */

const replicasMax = 2_147_483_647

/** The value at a path such as `.spec.replicas`. */
export function valueAt(object: unknown, path: string): unknown {
  let value = object
  for (const part of path.replace(/^\./, '').split('.')) value = isJsonObject(value) ? value[part] : undefined
  return value
}

/** The problems of the replicas that are wanted. */
export function scaleSpecErrors({ specReplicasPath }: ScaleSubresource, object: object): FieldError[] {
  return replicasErrors(object, specReplicasPath)
}

/** The problems of the replicas that are there, and of their selector. */
export function scaleStatusErrors(
  { statusReplicasPath, selectorPath }: ScaleSubresource,
  object: object,
): FieldError[] {
  const errors = replicasErrors(object, statusReplicasPath)
  const selector = selectorPath === '' ? undefined : valueAt(object, selectorPath)
  if (selector !== undefined && typeof selector !== 'string')
    errors.push(invalidValue(selectorPath, '', accessorProblem(selectorPath, selector, 'string')))
  return errors
}

function replicasErrors(object: object, path: string): FieldError[] {
  const value = valueAt(object, path)
  if (value === undefined) return []
  if (!Number.isInteger(value)) return [invalidValue(path, 0, accessorProblem(path, value, 'int64'))]
  if ((value as number) < 0) return [invalidValue(path, value, 'should be a non-negative integer')]
  if ((value as number) > replicasMax)
    return [invalidValue(path, value, `should be less than or equal to ${replicasMax}`)]
  return []
}

function accessorProblem(path: string, value: unknown, wanted: string): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return `${path} accessor error: ${text} is of the type ${goTypeOf(value)}, expected ${wanted}`
}

function goTypeOf(value: unknown): string {
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'object') return 'map[string]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
