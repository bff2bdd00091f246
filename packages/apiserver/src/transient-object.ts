import { type StoredObject, withRevision, type Write } from '@binnacle/store'

/** What a write would have stored: the answer to a dry run. */
export function transientObject(write: Write, revision: number): StoredObject {
  const text = revision === 0 ? write.data : withRevision(write.data, revision)
  const object = JSON.parse(text) as {
    metadata: { labels?: Record<string, string>; ownerReferences?: { uid: string }[] }
  }
  return {
    key: write.key,
    uid: write.uid,
    revision,
    createdRevision: revision,
    text,
    bytes: Buffer.from(text),
    size: text.length,
    labels: object.metadata.labels ?? {},
    ownerUids: (object.metadata.ownerReferences ?? []).map((owner) => owner.uid),
    fields: {},
    parse: () => object,
  }
}
