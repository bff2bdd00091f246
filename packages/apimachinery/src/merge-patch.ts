/** Applies a JSON Merge Patch (RFC 7386); neither value is changed. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch
  const members = new Map<string, unknown>(isMap(document) ? Object.entries(document) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) members.delete(key)
    else members.set(key, applyMergePatch(members.get(key), value))
  }
  // Unlike an assignment, this takes a member called __proto__ for a member.
  return Object.fromEntries(members)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
