import { StatusError, badRequest } from './status-error.ts'
import { jsonEqual } from './deep-equal.ts'

/** One operation of RFC 6902. */
interface Operation {
  op: string
  path: string
  from?: string
  value?: unknown
}

const operationsMax = 10_000
// A few copies of copies would otherwise fill the memory.
const copiedCharactersMax = 3 * 1024 * 1024

interface Holder {
  root: unknown
  copiedCharacters: number
}

/**
 * Applies a JSON Patch (RFC 6902) to a value; the value is not changed.
 * @throws StatusError BadRequest for a malformed patch, Invalid (422) for one that does not fit the document, as kube-apiserver gives.
 */
export function applyJsonPatch(document: unknown, operations: readonly unknown[]): unknown {
  if (!Array.isArray(operations))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  if (operations.length > operationsMax) {
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${operationsMax}, got ${operations.length}`,
    )
  }
  const holder: Holder = { root: structuredClone(document), copiedCharacters: 0 }
  for (const operation of operations) applyOperation(holder, checked(operation))
  return holder.root
}

function checked(operation: unknown): Operation {
  const candidate = operation as Partial<Operation> | null
  if (
    candidate === null ||
    typeof candidate !== 'object' ||
    typeof candidate.op !== 'string' ||
    typeof candidate.path !== 'string'
  ) {
    throw badRequest('error decoding patch: an operation needs "op" and "path"')
  }
  return candidate as Operation
}

// kubectl shows the message only when there are details.
const unprocessable = (message: string): StatusError =>
  new StatusError('Invalid', `the server rejected our request due to an error in our request: ${message}`, {})

function applyOperation(holder: Holder, { op, path, from, value }: Operation): void {
  switch (op) {
    case 'add':
      return add(holder, path, structuredClone(value))
    case 'remove':
      return void remove(holder, path, 'remove')
    case 'replace': {
      if (path !== '') read(holder, path, 'replace')
      return replace(holder, path, structuredClone(value))
    }
    case 'move': {
      const moved = remove(holder, from ?? '', 'move')
      return add(holder, path, moved)
    }
    case 'copy': {
      const copied = read(holder, from ?? '', 'copy')
      holder.copiedCharacters += JSON.stringify(copied).length
      if (holder.copiedCharacters > copiedCharactersMax)
        throw unprocessable(
          `Unable to complete the copy, the accumulated size increase of copy is ${holder.copiedCharacters}, exceeding the limit ${copiedCharactersMax}`,
        )
      return add(holder, path, structuredClone(copied))
    }
    case 'test': {
      if (!jsonEqual(read(holder, path, 'test', true) ?? null, value ?? null))
        throw unprocessable(`testing value ${path} failed`)
      return undefined
    }
    default:
      throw badRequest(`Unexpected kind: ${op}`)
  }
}

function parsePointer(pointer: string): string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw badRequest(`a JSON pointer must begin with '/': ${JSON.stringify(pointer)}`)
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function parentOf(holder: Holder, pointer: string, op: string): { parent: any; key: string } {
  const parts = parsePointer(pointer)
  const key = parts.pop()
  if (key === undefined) return { parent: holder, key: 'root' }
  let parent: any = holder.root
  for (const part of parts) {
    parent = Array.isArray(parent) ? parent[indexIn(parent, part, false)] : own(parent, part)
    if (parent === undefined || parent === null || typeof parent !== 'object')
      throw unprocessable(`${op} operation does not apply: doc is missing path: ${pointer}: missing value`)
  }
  return { parent, key }
}

// Never the prototype's members: a patch is data from outside.
function own(object: any, key: string): unknown {
  return typeof object === 'object' && object !== null && Object.hasOwn(object, key) ? object[key] : undefined
}

// Negative indexes count from the end, as in the library that kube-apiserver uses; for an addition the end lies behind the last element.
function indexIn(list: readonly unknown[], part: string, forAdd: boolean): number {
  if (forAdd && part === '-') return list.length
  const places = forAdd ? list.length + 1 : list.length
  const given = /^-?\d+$/.test(part) ? Number(part) : Number.NaN
  const index = given < 0 ? given + places : given
  if (!(index >= 0 && index < places))
    throw unprocessable(`Unable to access invalid index: ${part}: invalid index referenced`)
  return index
}

function read(holder: Holder, pointer: string, op: string, optional = false): unknown {
  const { parent, key } = parentOf(holder, pointer, op)
  const value = Array.isArray(parent) ? parent[indexIn(parent, key, false)] : own(parent, key)
  if (value === undefined && !optional)
    throw unprocessable(`${op} operation does not apply: doc is missing key: ${pointer}: missing value`)
  return value
}

function add(holder: Holder, pointer: string, value: unknown): void {
  const { parent, key } = parentOf(holder, pointer, 'add')
  if (Array.isArray(parent)) parent.splice(indexIn(parent, key, true), 0, value)
  else setOwn(parent, key, value)
}

function replace(holder: Holder, pointer: string, value: unknown): void {
  const { parent, key } = parentOf(holder, pointer, 'replace')
  if (Array.isArray(parent)) parent[indexIn(parent, key, false)] = value
  else setOwn(parent, key, value)
}

function remove(holder: Holder, pointer: string, op: string): unknown {
  const value = read(holder, pointer, op)
  const { parent, key } = parentOf(holder, pointer, op)
  if (Array.isArray(parent)) parent.splice(indexIn(parent, key, false), 1)
  else delete parent[key]
  return value
}

function setOwn(object: any, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}
