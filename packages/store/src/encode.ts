import type { KubernetesObject } from '@binnacle/apimachinery'

/**
 * An object's stored form: JSON text that begins with apiVersion, kind and metadata, without `metadata.resourceVersion` (the store knows it
 * only after the commit, see {@link withRevision}).
 */
export function encodeObject(object: KubernetesObject): string {
  const { apiVersion, kind, metadata, ...rest } = object as KubernetesObject & Record<string, unknown>
  const { resourceVersion: _resourceVersion, ...meta } = metadata
  return JSON.stringify({ apiVersion, kind, metadata: meta, ...rest })
}

const metadataStart = '"metadata":{'

/** The text that clients receive: the stored one with the revision written into its metadata. */
export function withRevision(data: string, revision: number): string {
  // apiVersion and kind come first and are plain words, so the first occurrence is the object's own metadata.
  const at = data.indexOf(metadataStart) + metadataStart.length
  const separator = data[at] === '}' ? '' : ','
  return `${data.slice(0, at)}"resourceVersion":"${revision}"${separator}${data.slice(at)}`
}
