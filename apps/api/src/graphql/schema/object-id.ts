import type { ResourceDefinition } from '@binnacle/resources'

/** The global id of an object: resource and uid, encoded. It stays the same through updates and is never used again. */
export function encodeId(
  definition: Pick<ResourceDefinition, 'group' | 'version' | 'plural'>,
  metadata: { uid?: string },
): string {
  const text = `${definition.group}/${definition.version}/${definition.plural}/${metadata.uid ?? ''}`
  return Buffer.from(text).toString('base64url')
}

/** What an id names; undefined when it is none of ours. */
export function decodeId(id: string): { group: string; version: string; plural: string; uid: string } | undefined {
  const parts = Buffer.from(id, 'base64url').toString().split('/')
  if (parts.length !== 4 || parts.some((part, i) => i > 0 && part === '')) return undefined
  const [group, version, plural, uid] = parts as [string, string, string, string]
  return { group, version, plural, uid }
}
