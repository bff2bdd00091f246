/** A copy of a JSON value that shares nothing with it. Several times as fast as structuredClone, which must look for cycles and class instances. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(cloneJson) as T
  const copy: Record<string, unknown> = {}
  for (const key in value) {
    const member = value[key]
    // A member called __proto__ would not become one of the copy.
    if (key === '__proto__') Object.defineProperty(copy, key, { value: cloneJson(member), enumerable: true })
    else copy[key] = typeof member === 'object' ? cloneJson(member) : member
  }
  return copy as T
}
