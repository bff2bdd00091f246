import { type Document, parseDocument } from 'yaml'
import { badRequest, StatusError } from '@binnacle/apimachinery'
import { decodeProtobuf } from '@binnacle/resources'

/** A decoded body, and the paths of members that occurred twice (parsers keep only one of them). */
export interface DecodedBody {
  readonly value: unknown
  readonly duplicateFields: readonly string[]
}

const protobufType = 'application/vnd.kubernetes.protobuf'

/**
 * Decodes a body by its Content-Type: JSON (also when there is none, as kubectl's scale sends it), YAML, or Kubernetes' protobuf.
 * @throws StatusError BadRequest | UnsupportedMediaType
 */
export function decodeRequestBody(contentType: string, bytes: Buffer, checkDuplicates: boolean): DecodedBody {
  const type = (contentType.split(';')[0] as string).trim().toLowerCase()
  switch (type) {
    case '':
    case 'application/json':
      return parseJson(bytes, checkDuplicates)
    case 'application/yaml':
    case 'text/yaml':
    case 'application/x-yaml':
      return parseYamlBody(bytes)
    case protobufType:
      return { value: decodeProtobuf(bytes).object, duplicateFields: [] }
    default:
      throw new StatusError(
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, ${protobufType}`,
      )
  }
}

function parseJson(bytes: Buffer, checkDuplicates: boolean): DecodedBody {
  const text = bytes.toString()
  if (text.trim() === '') return { value: undefined, duplicateFields: [] }
  try {
    const value: unknown = JSON.parse(text)
    return { value, duplicateFields: checkDuplicates ? duplicateMembers(text) : [] }
  } catch (error) {
    throw badRequest(
      `the object provided is unrecognized (must be of type JSON, YAML or protobuf): couldn't get version/kind; json parse error: ${(error as Error).message}`,
    )
  }
}

function parseYamlBody(bytes: Buffer): DecodedBody {
  const text = bytes.toString()
  const document = parseDocument(text, { uniqueKeys: false })
  const [error] = document.errors
  if (error !== undefined) throw badRequest(`error converting YAML to JSON: yaml: ${error.message.split('\n')[0]}`)
  const strict = parseDocument(text, { uniqueKeys: true })
  const duplicateFields = strict.errors
    .filter(({ code }) => code === 'DUPLICATE_KEY')
    .map(({ pos }) => /^[\w./-]+/.exec(text.slice(pos[0]))?.[0] ?? '')
  return { value: valueOf(document), duplicateFields: [...new Set(duplicateFields)] }
}

function valueOf(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    // Aliases that stand for more than a request may hold.
    throw badRequest(`error converting YAML to JSON: yaml: ${(error as Error).message}`)
  }
}

/** The paths of members that occur twice in one object. A scan of the text: only writes that are checked for it pay for it. */
export function duplicateMembers(text: string): string[] {
  const found: string[] = []
  const frames: { keys: Set<string> | undefined; index: number; path: string }[] = []
  let key = ''
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    const frame = frames.at(-1)
    if (character === '"') {
      const end = endOfString(text, i)
      const isKey = frame?.keys !== undefined && /^\s*:/.test(text.slice(end + 1, end + 20))
      if (isKey) {
        key = JSON.parse(text.slice(i, end + 1)) as string
        const path = frame.path === '' ? key : `${frame.path}.${key}`
        if (frame.keys?.has(key) === true && !found.includes(path)) found.push(path)
        frame.keys?.add(key)
      }
      i = end
    } else if (character === '{' || character === '[') {
      const path =
        frame === undefined
          ? ''
          : frame.keys === undefined
            ? `${frame.path}[${frame.index}]`
            : frame.path === ''
              ? key
              : `${frame.path}.${key}`
      frames.push({ keys: character === '{' ? new Set() : undefined, index: 0, path })
    } else if (character === '}' || character === ']') frames.pop()
    else if (character === ',' && frame !== undefined) frame.index++
  }
  return found
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i
  }
  return text.length
}
