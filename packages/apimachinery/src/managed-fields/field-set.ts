/**
 * Sets of fields, in the form in which `metadata.managedFields[].fieldsV1` holds them: nested objects whose keys are path elements. A node without
 * children is a member; a node with children is one when it has the key `.` too. An empty set is `undefined`.
 *
 *     f:name      a field, or an entry of a map
 *     k:{"a":1}   an item of a list, by its keys
 *     v:"x"       an item of a set, by its value
 */
export interface FieldSet {
  [element: string]: FieldSet
}

/** True when the node itself, not only something below it, is in the set. */
export function isMember(node: FieldSet): boolean {
  return '.' in node || isChildless(node)
}

function isChildless(node: FieldSet): boolean {
  for (const _ in node) return false
  return true
}

/** Adds a path to a set under construction. */
export function insertPath(root: FieldSet, path: readonly string[]): void {
  let node = root
  let isNew = true
  for (const element of path) {
    let child = node[element]
    if (child === undefined) {
      // What was a member without children stays one with them.
      if (!isNew && isChildless(node)) node['.'] = {}
      child = node[element] = {}
      isNew = true
    } else isNew = false
    node = child
  }
  if (!isNew && !isChildless(node)) node['.'] = {}
}

function withMembership(node: FieldSet, member: boolean): FieldSet | undefined {
  if (isChildless(node)) return member ? node : undefined
  if (member) node['.'] = {}
  return node
}

/** Fields of either set. */
export function unionOf(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || a === b) return b
  if (b === undefined) return a
  const result: FieldSet = {}
  for (const element in a) if (element !== '.') result[element] = unionOf(a[element], b[element]) as FieldSet
  for (const element in b) if (element !== '.' && !(element in a)) result[element] = b[element] as FieldSet
  return withMembership(result, isMember(a) || isMember(b))
}

/** Fields of the first set that are not in the second. */
export function differenceOf(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return a
  const result: FieldSet = {}
  for (const element in a) {
    if (element === '.') continue
    const rest = differenceOf(a[element], b[element])
    if (rest !== undefined) result[element] = rest
  }
  return withMembership(result, isMember(a) && !isMember(b))
}

/** Fields of both sets. */
export function intersectionOf(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return undefined
  const result: FieldSet = {}
  for (const element in a) {
    if (element === '.') continue
    const common = intersectionOf(a[element], b[element])
    if (common !== undefined) result[element] = common
  }
  return withMembership(result, isMember(a) && isMember(b))
}

/** The set without a path and everything below it. */
export function withoutPath(set: FieldSet | undefined, [element, ...rest]: readonly string[]): FieldSet | undefined {
  const child = element === undefined ? undefined : set?.[element]
  if (set === undefined || element === undefined || child === undefined) return set
  const { [element]: _removed, ...others } = set
  const remaining = rest.length === 0 ? undefined : withoutPath(child, rest)
  if (remaining !== undefined) return { ...others, [element]: remaining }
  return isChildless(others) ? undefined : others
}

/** The paths of a set's members as people write them: `.spec.template.spec.containers[name="web"].image`. */
export function pathsOf(set: FieldSet | undefined, prefix = ''): string[] {
  if (set === undefined) return []
  return Object.keys(set)
    .sort()
    .filter((element) => element !== '.')
    .flatMap((element) => {
      const node = set[element] as FieldSet
      const path = prefix + elementText(element)
      return [...(isMember(node) ? [path] : []), ...pathsOf(node, path)]
    })
}

function elementText(element: string): string {
  const text = element.slice(2)
  if (element.startsWith('k:')) {
    const keys = Object.entries(JSON.parse(text) as Record<string, unknown>)
    return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`
  }
  return element.startsWith('v:') ? `[=${text}]` : `.${text}`
}

/** True when a value has the form of a set. */
export function isFieldSet(value: unknown): value is FieldSet {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(
    ([element, node]) => (element === '.' || /^[fkvi]:/.test(element)) && isFieldSet(node),
  )
}
