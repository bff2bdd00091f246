import { safeEncode } from './names.ts'

/** FNV-1a, 32 bits, over the UTF-8 bytes of a text. */
export function fnv32a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) {
    hash ^= byte
    hash = Math.imul(hash, 0x01000193)
  }
  return hash >>> 0
}

/**
 * A short name-safe hash of a value, independent of the order of members; with a collision count, another one each time. It has the form of
 * kube-controller-manager's pod-template-hash, not its bytes: those hash Go's memory layout.
 */
export function shortHash(value: unknown, collisionCount = 0): string {
  return safeEncode(String(fnv32a(canonicalJson(value) + (collisionCount === 0 ? '' : `#${collisionCount}`))))
}

/** JSON with members in alphabetical order, absent for undefined ones. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = Object.entries(value as Record<string, unknown>).filter(([, member]) => member !== undefined)
  return `{${members
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
    .join(',')}}`
}
