import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/** One member of a model as @kubernetes/client-node describes it. */
export interface ModelField {
  /** The name on the wire (`baseName`; the member's own name is a JavaScript identifier). */
  readonly name: string
  readonly type: string
  readonly format: string
  readonly required: boolean
  readonly description: string
}

/** One model: an object type of the Kubernetes API. */
export interface Model {
  readonly name: string
  readonly description: string
  readonly fields: readonly ModelField[]
}

interface AttributeType {
  readonly name: string
  readonly baseName: string
  readonly type: string
  readonly format: string
}

/**
 * Reads all models that the client really exports (its folder holds stale ones too).
 * `genFolder` is `dist/gen` of @kubernetes/client-node.
 */
export async function readModels(genFolder: string): Promise<ReadonlyMap<string, Model>> {
  const exported = (await import(pathToFileURL(path.join(genFolder, 'models/all.js')).href)) as Record<string, any>
  const models = new Map<string, Model>()
  for (const [name, type] of Object.entries(exported)) {
    const attributes = type?.getAttributeTypeMap?.() as AttributeType[] | undefined
    if (attributes === undefined) continue
    const declaration = readFileSync(path.join(genFolder, 'models', `${name}.d.ts`), 'utf8')
    models.set(name, { name, description: classComment(declaration), fields: readFields(attributes, declaration) })
  }
  return models
}

function readFields(attributes: readonly AttributeType[], declaration: string): ModelField[] {
  const members = new Map<string, { optional: boolean; description: string }>()
  for (const match of declaration.matchAll(/(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^ {4}'([^']+)'(\?)?:/gm)) {
    members.set(match[2] as string, { optional: match[3] === '?', description: plainText(match[1] ?? '') })
  }
  return attributes.map(({ name, baseName, type, format }) => {
    const member = members.get(name)
    return {
      name: baseName,
      type,
      format,
      required: member?.optional === false,
      description: member?.description ?? '',
    }
  })
}

function classComment(declaration: string): string {
  const match = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export declare class/.exec(declaration)
  return plainText(match?.[1] ?? '')
}

/** The text of a doc comment, without its stars and HTML entities. */
export function plainText(comment: string): string {
  const text = comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
    .join('\n')
    .trim()
  return text
    .replace(/\\?(?:&#39;|')/g, "'")
    .replace(/\\?(?:&quot;|")/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&#x60;/g, '`')
    .replace(/&amp;/g, '&')
}
