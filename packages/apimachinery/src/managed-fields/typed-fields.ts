import { jsonEqual } from '../deep-equal.ts'
import type { FieldSchema, ObjectSchema, SchemaLookup, TypeRef } from '../schema.ts'
import { type FieldSet, insertPath } from './field-set.ts'

/**
 * How the values of a kind divide into fields that can have owners of their own (sigs.k8s.io/structured-merge-diff): objects, maps and keyed lists are
 * made of parts, everything else is one field.
 */

/** A field's type as far as ownership is concerned. */
export type Shape =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'object'; readonly schema: ObjectSchema }
  | { readonly kind: 'map'; readonly values: Shape }
  | { readonly kind: 'list'; readonly keys: readonly ListKey[]; readonly items: Shape }
  | { readonly kind: 'set' }
  /** As the value is: the members of an object, by whose values it goes on, and anything else as one field. */
  | { readonly kind: 'deduced' }

/** A key of a list's items, with the value that items have which leave it out. */
export interface ListKey {
  readonly name: string
  readonly default: unknown
}

type Parts = Record<string, unknown>

const leaf: Shape & { kind: 'leaf' } = { kind: 'leaf' }
const deduced: Shape = { kind: 'deduced' }
const deducedMap: Shape & { kind: 'map' } = { kind: 'map', values: deduced }

/** The shape of values that may be of any: of an object its members are told apart; two that differ in kind are one field. */
export function shapeOf(shape: Shape, a: unknown, b: unknown = a): Exclude<Shape, { kind: 'deduced' }> {
  if (shape.kind !== 'deduced') return shape
  return (isParts(a) || a === undefined) && (isParts(b) || b === undefined) ? deducedMap : leaf
}

function makeShape(field: FieldSchema, schemas: SchemaLookup): Shape {
  const { type } = field
  switch (type.kind) {
    case 'scalar':
      return type.scalar === 'json' && field.mapType === 'granular' ? deduced : leaf
    case 'object':
      return elementShape(type, schemas)
    case 'map':
      return field.mapType === 'atomic' ? leaf : { kind: 'map', values: elementShape(type.of, schemas) }
    case 'list':
      if (field.listType === 'set') return { kind: 'set' }
      if (field.listType !== 'map' || type.of.kind !== 'object') return leaf
      return { kind: 'list', keys: listKeys(field, schemas(type.of.name)), items: elementShape(type.of, schemas) }
  }
}

function elementShape(type: TypeRef, schemas: SchemaLookup): Shape {
  if (type.kind !== 'object') return leaf
  const schema = schemas(type.name)
  return schema.atomic === true ? leaf : { kind: 'object', schema }
}

function listKeys({ listMapKeys = [] }: FieldSchema, item: ObjectSchema): ListKey[] {
  // Sorted, as they are written in sets.
  return [...listMapKeys].sort().map((name) => ({ name, default: item.byName.get(name)?.default }))
}

/** The path element of a list's item. */
export function itemElement(keys: readonly ListKey[], item: unknown): string {
  const named: Parts = {}
  for (const key of keys) {
    const value = (item as Parts | null)?.[key.name] ?? key.default
    if (value !== undefined) named[key.name] = value
  }
  return `k:${JSON.stringify(named)}`
}

/** The path element of a set's item. */
export const valueElement = (value: unknown): string => `v:${JSON.stringify(value)}`

/** True for a value that has parts of its own. */
export function isParts(value: unknown): value is Parts {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member of an object or map. */
export interface Member {
  /** Its path element. */
  readonly element: string
  readonly shape: Shape
  /** It exists whenever its parent does: nobody ever adds or removes it. */
  readonly implied: boolean
}

// Go keeps these as values, not pointers.
const alwaysThere = new Set([
  'metadata',
  'spec',
  'status',
  'template',
  'strategy',
  'updateStrategy',
  'jobTemplate',
  'scaleTargetRef',
  'roleRef',
  'loadBalancer',
  'resources',
  'containers',
])
const members = new WeakMap<ObjectSchema, Map<string, Member>>()

/** A member of an object or map by its name; undefined for what the schema does not have. */
export function memberOf(
  shape: Shape & { kind: 'object' | 'map' },
  name: string,
  schemas: SchemaLookup,
): Member | undefined {
  if (shape.kind === 'map') return { element: `f:${name}`, shape: shape.values, implied: false }
  let known = members.get(shape.schema)
  if (known === undefined) members.set(shape.schema, (known = new Map()))
  let member = known.get(name)
  const field = member === undefined ? shape.schema.byName.get(name) : undefined
  if (field !== undefined) {
    const implied = name === 'metadata' || (shape.schema.allOptional !== true && alwaysThere.has(name))
    member = { element: `f:${name}`, shape: makeShape(field, schemas), implied }
    known.set(name, member)
  }
  if (member === undefined && shape.schema.preserveUnknownFields === true)
    return { element: `f:${name}`, shape: deduced, implied: false }
  return member
}

const memberNode: FieldSet = Object.freeze({})

/** Every field of a new object, its containers included. */
export function fieldsOfNew(object: Parts, schema: ObjectSchema, schemas: SchemaLookup): FieldSet | undefined {
  return newNode({ kind: 'object', schema }, object, schemas, true)
}

function newNode(given: Shape, value: unknown, schemas: SchemaLookup, existed: boolean): FieldSet | undefined {
  const shape = shapeOf(given, value)
  if (shape.kind === 'leaf') return memberNode
  const node: FieldSet = {}
  let isEmpty = true
  const add = (element: string, inner: FieldSet | undefined): void => {
    if (inner === undefined) return
    node[element] = inner
    isEmpty = false
  }
  if (shape.kind === 'set') for (const item of Array.isArray(value) ? value : []) add(valueElement(item), memberNode)
  else if (shape.kind === 'list') {
    for (const item of Array.isArray(value) ? value : [])
      add(itemElement(shape.keys, item), newNode(shape.items, item, schemas, false))
  } else if (isParts(value)) {
    for (const name in value) {
      const member = value[name] === undefined ? undefined : memberOf(shape, name, schemas)
      if (member !== undefined)
        add(member.element, newNode(member.shape, value[name], schemas, existed && member.implied))
    }
  }
  if (isEmpty) return existed ? undefined : memberNode
  if (!existed) node['.'] = memberNode
  return node
}

/** Every field that a configuration sets: those that its applier owns. */
export function fieldsSetBy(value: Parts, schema: ObjectSchema, schemas: SchemaLookup): FieldSet | undefined {
  const set: FieldSet = {}
  collect(set, [], { kind: 'object', schema }, value, schemas)
  return Object.keys(set).length === 0 ? undefined : set
}

function collect(set: FieldSet, path: string[], given: Shape, value: unknown, schemas: SchemaLookup): void {
  const shape = shapeOf(given, value)
  if ((shape.kind === 'object' || shape.kind === 'map') && isParts(value)) {
    for (const name in value) {
      const member = value[name]
      const typed = memberOf(shape, name, schemas)
      if (typed === undefined || member === undefined) continue
      path.push(typed.element)
      collect(set, path, typed.shape, member, schemas)
      // Entries of maps are owned as such, fields of objects only by what they hold.
      if (shape.kind === 'map' || (isParts(member) && Object.keys(member).length === 0)) insertPath(set, path)
      path.pop()
    }
  } else if (shape.kind === 'list' && Array.isArray(value)) {
    for (const item of value) {
      path.push(itemElement(shape.keys, item))
      collect(set, path, shape.items, item, schemas)
      insertPath(set, path)
      path.pop()
    }
  } else if (shape.kind === 'set' && Array.isArray(value)) {
    for (const item of value) insertPath(set, [...path, valueElement(item)])
  } else insertPath(set, path)
}

/** What differs between two states of an object. */
export interface FieldChanges {
  readonly added: FieldSet
  readonly removed: FieldSet
  readonly modified: FieldSet
}

interface Comparison extends FieldChanges {
  readonly path: string[]
  readonly schemas: SchemaLookup
}

/** Compares two states of an object. */
export function compareFields(before: Parts, after: Parts, schema: ObjectSchema, schemas: SchemaLookup): FieldChanges {
  const comparison: Comparison = { added: {}, removed: {}, modified: {}, path: [], schemas }
  compareMembers(comparison, { kind: 'object', schema }, before, after, true)
  return comparison
}

function compareMembers(
  comparison: Comparison,
  shape: Shape & { kind: 'object' | 'map' },
  before: Parts | undefined,
  after: Parts | undefined,
  parentExisted: boolean,
): void {
  const { path, schemas } = comparison
  const visit = (name: string): void => {
    const member = memberOf(shape, name, schemas)
    if (member === undefined) return
    const { implied } = member
    path.push(member.element)
    compareValues(comparison, member.shape, before?.[name], after?.[name], {
      existed: parentExisted && implied,
      exists: after !== undefined && implied,
    })
    path.pop()
  }
  for (const name in after) if (after[name] !== before?.[name]) visit(name)
  for (const name in before) if (before[name] !== undefined && after?.[name] === undefined) visit(name)
}

interface Implied {
  readonly existed: boolean
  readonly exists: boolean
}

const notImplied: Implied = { existed: false, exists: false }

function compareValues(
  comparison: Comparison,
  given: Shape,
  before: unknown,
  after: unknown,
  implied: Implied = notImplied,
): void {
  if (before === after) return
  const shape = shapeOf(given, before, after)
  if (shape.kind === 'leaf') {
    if (before === undefined) insertPath(comparison.added, comparison.path)
    else if (after === undefined) insertPath(comparison.removed, comparison.path)
    else if (!jsonEqual(before, after)) insertPath(comparison.modified, comparison.path)
    return
  }
  const existed = before !== undefined || implied.existed
  const exists = after !== undefined || implied.exists
  if (shape.kind === 'list') compareItems(comparison, shape, before, after)
  else if (shape.kind === 'set') compareSets(comparison, before, after)
  else
    compareMembers(comparison, shape, isParts(before) ? before : undefined, isParts(after) ? after : undefined, existed)
  if (!existed && exists) insertPath(comparison.added, comparison.path)
  else if (existed && !exists) insertPath(comparison.removed, comparison.path)
}

function compareItems(comparison: Comparison, shape: Shape & { kind: 'list' }, before: unknown, after: unknown): void {
  const { path } = comparison
  const old = itemsByElement(shape, before)
  const next = itemsByElement(shape, after)
  for (const [element, item] of next) {
    path.push(element)
    compareValues(comparison, shape.items, old.get(element), item)
    path.pop()
  }
  for (const [element, item] of old) {
    if (next.has(element)) continue
    path.push(element)
    compareValues(comparison, shape.items, item, undefined)
    path.pop()
  }
}

/** A list's items by their path elements; of several with one key the first. */
export function itemsByElement(shape: Shape & { kind: 'list' }, list: unknown): Map<string, unknown> {
  const items = new Map<string, unknown>()
  if (!Array.isArray(list)) return items
  for (const item of list) {
    const element = itemElement(shape.keys, item)
    if (!items.has(element)) items.set(element, item)
  }
  return items
}

function compareSets({ added, removed, path }: Comparison, before: unknown, after: unknown): void {
  const old = new Set(Array.isArray(before) ? before.map(valueElement) : [])
  const next = new Set(Array.isArray(after) ? after.map(valueElement) : [])
  for (const element of next) if (!old.has(element)) insertPath(added, [...path, element])
  for (const element of old) if (!next.has(element)) insertPath(removed, [...path, element])
}
