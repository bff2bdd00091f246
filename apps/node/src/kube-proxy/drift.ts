import type { Family } from '../network/addresses.ts'
import { elementObjects } from './skeleton.ts'

/**
 * Reads the elements of the proxy's table out of `nft -j list table`, in the form in which they are planned (`FAMILY OBJECT KEY` and value).
 * undefined when the text is of no such table.
 */
export function elementsInKernel(json: string, family: Family): Map<string, string> | undefined {
  const elements = new Map<string, string>()
  const { nftables } = JSON.parse(json) as { nftables: { map?: Listed; set?: Listed }[] }
  let objects = 0
  for (const { map, set } of nftables) {
    const listed = map ?? set
    if (listed === undefined || !elementObjects.includes(listed.name)) continue
    objects++
    for (const element of listed.elem ?? []) {
      const [key, value] = map === undefined ? [element, ''] : (element as [unknown, unknown])
      elements.set(`${family} ${listed.name} ${text(key)}`, text(value))
    }
  }
  return objects === elementObjects.length ? elements : undefined
}

interface Listed {
  readonly name: string
  readonly elem?: readonly unknown[]
}

function text(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if ('concat' in value) return (value.concat as unknown[]).map(text).join(' . ')
  if ('goto' in value) return `goto ${(value.goto as { target: string }).target}`
  return Object.keys(value)[0] ?? ''
}
