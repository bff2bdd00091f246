import { type StoredObject, withRevision, type Write } from '@binnacle/store'

/** What a write would have stored: the answer to a dry run. */
export function transientObject(write: Write, revision: number): StoredObject {
  const bytes = revision === 0 ? Buffer.from(write.data) : withRevision(write.data, revision)
  const object = JSON.parse(bytes.toString()) as {
    metadata: { labels?: Record<string, string>; ownerReferences?: { uid: string }[] }
  }
  return {
    key: write.key,
    uid: write.uid,
    revision,
    createdRevision: revision,
    bytes,
    labels: object.metadata.labels ?? {},
    ownerUids: (object.metadata.ownerReferences ?? []).map((owner) => owner.uid),
    fields: {},
    parse: () => object,
  }
}
