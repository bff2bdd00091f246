/**
 * Makes `src/generated/` from the published type packages: `schemas.json` (the structure of every kind), `resources.json` (every resource with
 * its verbs and subresources) and `types.ts`. Run by `npm run generate`, and by npm start and npm test when the inputs changed.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Declared, nameModels, readDeclared } from './dotted-names.ts'
import { emitTypes } from './emit-types.ts'
import { type Model, type ModelField, readModels } from './read-models.ts'
import { type OperatedResource, readOperations } from './read-operations.ts'

/** A field's type in the compact form of schemas.json: a scalar's name, `[]T`, `{}T`, or `#dotted.Name`. */
export type CompactType = string

/** A field in schemas.json. */
export interface CompactField {
  readonly n: string
  readonly t: CompactType
  readonly d?: string
  readonly r?: 1
  readonly e?: readonly string[]
}

/** schemas.json: object types by dotted name. */
export type CompactSchemas = Record<string, { readonly d: string; readonly f: readonly CompactField[] }>

// Types that decode to something else than an object.
const special: Record<string, CompactType> = { V1MicroTime: 'microTime', IntOrString: 'intOrString' }

const here = path.dirname(fileURLToPath(import.meta.url))
// Another folder may be named, to compare without changing anything.
const output = process.argv[2] ?? path.join(here, '../src/generated')
const genFolder = path.join(
  path.dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node/package.json')),
  'dist/gen',
)
const packages = path.join(genFolder, '../../../..')

const models = await readModels(genFolder)
const resources = readOperations(genFolder)
const names = nameModels(models, resources, readDeclared(packages))
const schemas = compactSchemas()

mkdirSync(output, { recursive: true })
writeFileSync(path.join(output, 'schemas.json'), JSON.stringify(schemas))
writeFileSync(
  path.join(output, 'resources.json'),
  JSON.stringify(
    resources
      .filter((resource) => resource.model !== '')
      .map(describe)
      .sort(byIdentity),
    null,
    1,
  ),
)
writeFileSync(path.join(output, 'types.ts'), emitTypes(schemas))

function compactSchemas(): CompactSchemas {
  const result: CompactSchemas = {}
  for (const model of [...models.values()].sort((a, b) => (dottedOf(a.name) < dottedOf(b.name) ? -1 : 1))) {
    if (special[model.name] !== undefined) continue
    const declared = names.get(model.name)?.declared
    result[dottedOf(model.name)] = {
      d: model.description,
      f: model.fields.map((field) => compactField(model, field, declared)),
    }
  }
  return result
}

function dottedOf(model: string): string {
  return names.get(model)?.dotted ?? model
}

function compactField(model: Model, field: ModelField, declared: Declared | undefined): CompactField {
  const description = field.description || (declared?.descriptions.get(field.name) ?? '')
  const values = declared?.enums.get(field.name)
  return {
    n: field.name,
    t: compactType(field, declared?.quantities.has(field.name) === true || isQuantity(model.name, field.name)),
    ...(description === '' ? {} : { d: description }),
    ...(field.required ? { r: 1 as const } : {}),
    ...(values === undefined ? {} : { e: values }),
  }
}

// Quantities of types that the second source does not have (alpha and beta ones).
function isQuantity(model: string, field: string): boolean {
  return /DeviceCapacity$|Counter$/.test(model) && field === 'value'
}

function compactType({ type, format }: ModelField, quantity: boolean): CompactType {
  const list = /^Array<(.*)>$/.exec(type)
  if (list !== null) return `[]${compactType({ type: list[1] as string, format } as ModelField, quantity)}`
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)
  if (map !== null) return `{}${compactType({ type: map[1] as string, format } as ModelField, quantity)}`
  if (type === 'string') return quantity ? 'quantity' : format === 'byte' ? 'bytes' : 'string'
  if (type === 'number') return format === 'int64' ? 'int64' : format === 'double' ? 'double' : 'int32'
  if (type === 'boolean') return 'boolean'
  if (type === 'Date') return 'time'
  if (type === 'any') return 'json'
  return special[type] ?? `#${dottedOf(type)}`
}

function describe(resource: OperatedResource) {
  const { model, listModel, verbs, subresources, ...rest } = resource
  return {
    ...rest,
    kind: dottedOf(model).split('.').at(-1) as string,
    schema: dottedOf(model),
    ...(listModel === '' ? {} : { list: dottedOf(listModel) }),
    verbs: [...verbs].sort(),
    subresources: [...subresources]
      .map(([name, sub]) => ({
        name,
        verbs: [...sub.verbs].sort(),
        ...(sub.model === '' ? {} : { schema: dottedOf(sub.model) }),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

function byIdentity(
  a: { group: string; version: string; plural: string },
  b: { group: string; version: string; plural: string },
): number {
  const key = (r: typeof a): string => `${r.group}/${r.version}/${r.plural}`
  return key(a) < key(b) ? -1 : 1
}
