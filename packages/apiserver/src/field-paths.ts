/** Reads values along dotted paths such as `spec.nodeName`; lists along the way give all their elements' values. */

/** Every value at the path. */
export function valuesAt(object: unknown, path: string): unknown[] {
  let values: unknown[] = [object]
  for (const part of path.split('.')) {
    values = values.flatMap((value) => {
      if (Array.isArray(value)) return value.map((item) => (item as Record<string, unknown> | null)?.[part])
      return [(value as Record<string, unknown> | null | undefined)?.[part]]
    })
    values = values.filter((value) => value !== undefined && value !== null)
  }
  return values.flat()
}

/** The value of a field for field selectors: text, '' when absent. */
export function fieldText(object: unknown, path: string): string {
  const value = valuesAt(object, path)[0]
  return value === undefined ? '' : String(value)
}
