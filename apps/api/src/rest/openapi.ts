import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { FieldSchema, ObjectSchema, ScalarType, TypeRef } from '@binnacle/apimachinery'
import { publishedV2, publishedV3, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import { subresourcesOf } from './discovery.ts'
import { encodeOpenApiV2 } from './openapi-protobuf.ts'

/**
 * OpenAPI documents from the registry alone. kubectl reads them to validate, explain and merge: every patch operation must name its kind and accept
 * `fieldValidation` and strategic merge patches, and merge keys must stand in the schemas.
 */

type Json = Record<string, unknown>

/** A document ready to be sent. */
export interface EncodedDocument {
  readonly bytes: Buffer
  readonly gzip: Buffer
  readonly hash: string
}

const encode = (value: unknown): EncodedDocument => encoded(Buffer.from(JSON.stringify(value)))

function encoded(bytes: Buffer): EncodedDocument {
  return { bytes, gzip: gzipSync(bytes), hash: createHash('sha256').update(bytes).digest('hex').toUpperCase() }
}

const info = { title: 'Kubernetes', version: 'v1.32.4' }

/** All documents of a registry, each made when it is first asked for. */
export class OpenApi {
  readonly #registry: ResourceRegistry
  readonly #documents = new Map<string, EncodedDocument>()
  #index: EncodedDocument | undefined
  #v2: EncodedDocument | undefined
  #v2Protobuf: EncodedDocument | undefined
  #generation = 0

  constructor(registry: ResourceRegistry) {
    this.#registry = registry
  }

  // When custom kinds have changed, their documents are made anew, and what tells of all kinds.
  #refresh(): void {
    if (this.#registry.generation === this.#generation) return
    this.#generation = this.#registry.generation
    this.#index = undefined
    this.#v2 = undefined
    this.#v2Protobuf = undefined
    const custom = new Set(
      this.#registry.served.filter((definition) => definition.custom !== undefined).map(documentName),
    )
    const served = new Set(this.#groupVersions())
    for (const name of this.#documents.keys()) if (custom.has(name) || !served.has(name)) this.#documents.delete(name)
  }

  /** `GET /openapi/v3`: where the document of each group-version is; the hash in the address changes with the content. */
  index(): EncodedDocument {
    this.#refresh()
    if (this.#index !== undefined) return this.#index
    const paths = Object.fromEntries(
      this.#groupVersions().map((name) => [
        name,
        { serverRelativeURL: `/openapi/v3/${name}?hash=${(this.document(name) as EncodedDocument).hash}` },
      ]),
    )
    return (this.#index = encode({ paths }))
  }

  /** `GET /openapi/v3/api/v1`, `/openapi/v3/apis/{group}/{version}`; undefined for one that is not served. */
  document(name: string): EncodedDocument | undefined {
    this.#refresh()
    const known = this.#documents.get(name)
    if (known !== undefined) return known
    const definitions = this.#registry.served.filter((definition) => documentName(definition) === name)
    if (definitions.length === 0) return undefined
    const document = encode(buildDocument(this.#registry, definitions))
    this.#documents.set(name, document)
    return document
  }

  /** `GET /openapi/v2` as JSON. */
  v2(): EncodedDocument {
    this.#refresh()
    return (this.#v2 ??= encode(buildV2(this.#registry)))
  }

  /** The same as protobuf. */
  v2Protobuf(): EncodedDocument {
    this.#refresh()
    return (this.#v2Protobuf ??= encoded(encodeOpenApiV2(buildV2(this.#registry))))
  }

  #groupVersions(): readonly string[] {
    return [...new Set(this.#registry.served.map(documentName))]
  }
}

function documentName(definition: ResourceDefinition): string {
  return definition.group === '' ? `api/${definition.version}` : `apis/${definition.group}/${definition.version}`
}

const gvkOf = ({ group, version, kind }: { group: string; version: string; kind: string }) => ({ group, kind, version })

function buildDocument(registry: ResourceRegistry, definitions: readonly ResourceDefinition[]): Json {
  const v3 = new SchemaWriter(registry, '#/components/schemas/')
  const paths: Json = {}
  for (const definition of definitions) addPaths(paths, definition, v3)
  return { openapi: '3.0.0', info, paths, components: { schemas: v3.schemas } }
}

function pathOf(definition: ResourceDefinition, rest: string): string {
  const root =
    definition.group === '' ? `/api/${definition.version}` : `/apis/${definition.group}/${definition.version}`
  return `${root}${definition.scope === 'Namespaced' ? '/namespaces/{namespace}' : ''}/${definition.plural}${rest}`
}

const query = (name: string, type: string, description: string): Json => ({
  name,
  in: 'query',
  description,
  schema: { type, uniqueItems: true },
})
const pathParameter = (name: string, description: string): Json => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string', uniqueItems: true },
})

const writeParameters = [
  query('dryRun', 'string', 'When present, indicates that modifications should not be persisted. Valid value: All.'),
  query('fieldManager', 'string', 'The name of the actor or entity that makes these changes.'),
  query('fieldValidation', 'string', 'How unknown and duplicate fields are treated: Ignore, Warn or Strict.'),
]
const listParameters = [
  query('labelSelector', 'string', 'Restricts the objects by their labels.'),
  query('fieldSelector', 'string', 'Restricts the objects by their fields.'),
  query('limit', 'integer', 'The largest number of objects to return.'),
  query('continue', 'string', 'Where to go on, as the last answer gave it.'),
  query('resourceVersion', 'string', 'Which state may be answered from.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  query('watch', 'boolean', 'Watch for changes instead of listing.'),
  query('allowWatchBookmarks', 'boolean', 'Ask for BOOKMARK events.'),
  query('sendInitialEvents', 'boolean', 'Begin a watch with the present objects.'),
  query('timeoutSeconds', 'integer', 'How long a watch lasts at the most.'),
]
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
]

// Lists of custom kinds have no keys to merge by.
const patchTypesOf = ({ custom }: Pick<ResourceDefinition, 'custom'>): readonly string[] =>
  custom === undefined ? patchTypes : [...patchTypes.slice(0, 2), 'application/apply-patch+yaml']

interface OperationSpec {
  readonly id: string
  readonly action: string
  readonly parameters: readonly Json[]
  readonly body?: readonly string[]
  readonly schema: string
  readonly answer: string
}

function addPaths(paths: Json, definition: ResourceDefinition, writer: SchemaWriter): void {
  const { kind, verbs } = definition
  const scope = definition.scope === 'Namespaced' ? 'Namespaced' : ''
  const common =
    definition.scope === 'Namespaced'
      ? [pathParameter('namespace', 'object name and auth scope, such as for teams and projects')]
      : []
  const own = writer.reference(definition.schema.name)
  const listed = verbs.includes('list') ? writer.reference(writer.listName(definition)) : own
  const operation = (spec: OperationSpec): Json => describeOperation(spec, gvkOf(definition), definition)
  const collection: Json = { parameters: common }
  if (verbs.includes('list'))
    collection['get'] = operation({
      id: `list${scope}${kind}`,
      action: 'list',
      parameters: listParameters,
      schema: own,
      answer: listed,
    })
  if (verbs.includes('create'))
    collection['post'] = operation({
      id: `create${scope}${kind}`,
      action: 'post',
      parameters: writeParameters,
      body: ['*/*'],
      schema: own,
      answer: own,
    })
  if (verbs.includes('deletecollection'))
    collection['delete'] = operation({
      id: `deleteCollection${scope}${kind}`,
      action: 'deletecollection',
      parameters: listParameters,
      schema: own,
      answer: writer.reference(statusSchema),
    })
  paths[pathOf(definition, '')] = collection
  if (definition.virtual === true) return
  const named = [...common, pathParameter('name', `name of the ${kind}`)]
  paths[pathOf(definition, '/{name}')] = { parameters: named, ...itemOperations(definition, '', own, operation) }
  for (const { name, verbs: subVerbs } of subresourcesOf(definition)) {
    if (!subVerbs.includes('patch') || name === 'proxy') continue
    const gvk = name === 'scale' ? { group: 'autoscaling', version: 'v1', kind: 'Scale' } : gvkOf(definition)
    const schema = name === 'scale' ? writer.reference('io.k8s.api.autoscaling.v1.Scale') : own
    const suffix = name.charAt(0).toUpperCase() + name.slice(1)
    paths[pathOf(definition, `/{name}/${name}`)] = {
      parameters: named,
      ...itemOperations({ ...definition, verbs: ['get', 'update', 'patch'] }, suffix, schema, (spec) =>
        describeOperation(spec, gvk, definition),
      ),
    }
  }
}

function itemOperations(
  definition: Pick<ResourceDefinition, 'kind' | 'verbs' | 'scope' | 'custom'>,
  suffix: string,
  schema: string,
  operation: (spec: OperationSpec) => Json,
): Json {
  const scope = definition.scope === 'Namespaced' ? 'Namespaced' : ''
  const name = `${scope}${definition.kind}${suffix}`
  const all: Json = {}
  if (definition.verbs.includes('get'))
    all['get'] = operation({ id: `read${name}`, action: 'get', parameters: [], schema, answer: schema })
  if (definition.verbs.includes('update'))
    all['put'] = operation({
      id: `replace${name}`,
      action: 'put',
      parameters: writeParameters,
      body: ['*/*'],
      schema,
      answer: schema,
    })
  if (definition.verbs.includes('patch'))
    all['patch'] = operation({
      id: `patch${name}`,
      action: 'patch',
      parameters: [...writeParameters, query('force', 'boolean', 'Take over fields that others own.')],
      body: patchTypesOf(definition),
      schema,
      answer: schema,
    })
  if (definition.verbs.includes('delete'))
    all['delete'] = operation({
      id: `delete${name}`,
      action: 'delete',
      parameters: writeParameters.slice(0, 1),
      schema,
      answer: schema,
    })
  return all
}

const statusSchema = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status'

function describeOperation(spec: OperationSpec, gvk: Json, definition: ResourceDefinition): Json {
  const isPatch = spec.action === 'patch'
  const bodySchema = isPatch ? { type: 'object' } : { $ref: spec.schema }
  return {
    tags: [`${definition.group === '' ? 'core' : definition.group.split('.')[0]}_${definition.version}`],
    operationId: spec.id,
    parameters: spec.parameters,
    ...(spec.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: Object.fromEntries(spec.body.map((type) => [type, { schema: bodySchema }])),
          },
        }),
    responses: {
      [spec.action === 'post' ? '201' : '200']: {
        description: 'OK',
        content: { 'application/json': { schema: { $ref: spec.answer } } },
      },
      '401': { description: 'Unauthorized' },
    },
    'x-kubernetes-action': spec.action,
    'x-kubernetes-group-version-kind': gvk,
  }
}

/** Writes the schemas that a document's operations reach. */
class SchemaWriter {
  readonly schemas: Json = {}
  readonly #registry: ResourceRegistry
  readonly #root: string
  readonly #kinds: ReadonlyMap<string, Json[]>
  readonly #custom = new Map<string, ResourceDefinition>()

  constructor(registry: ResourceRegistry, root: string) {
    this.#registry = registry
    this.#root = root
    this.#kinds = kindsOf(registry)
    for (const definition of registry.served)
      if (definition.custom !== undefined) this.#custom.set(definition.schema.name, definition)
  }

  get #isV3(): boolean {
    return this.#root.startsWith('#/components')
  }

  reference(name: string): string {
    if (this.schemas[name] === undefined) {
      this.schemas[name] = {}
      this.schemas[name] = this.#schema(name)
    }
    return `${this.#root}${name}`
  }

  listName(definition: ResourceDefinition): string {
    const name = `${definition.schema.name}List`
    if (definition.custom !== undefined) this.schemas[name] ??= this.#customList(definition)
    this.reference(name)
    return name
  }

  #schema(name: string): Json {
    const definition = this.#custom.get(name)
    return definition === undefined ? this.#object(this.#registry.schemas(name), name) : this.#customKind(definition)
  }

  #customKind({ schema, custom }: ResourceDefinition): Json {
    const publish = this.#isV3 ? publishedV3 : publishedV2
    const published = publish(custom?.schema ?? {}, (name) => this.reference(name))
    return { ...published, 'x-kubernetes-group-version-kind': this.#kinds.get(schema.name) }
  }

  #customList({ kind, listKind, plural, schema }: ResourceDefinition): Json {
    const { properties } = this.#object(this.#registry.schemas('io.k8s.api.core.v1.PodList'), '')
    const items = {
      description: `List of ${plural}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md`,
      type: 'array',
      items: { $ref: this.reference(schema.name) },
    }
    return {
      description: `${listKind} is a list of ${kind}`,
      type: 'object',
      required: ['items'],
      properties: { ...(properties as Json), items },
      'x-kubernetes-group-version-kind': this.#kinds.get(`${schema.name}List`),
    }
  }

  #object(schema: ObjectSchema, name: string): Json {
    const required = schema.fields.filter((field) => field.required).map((field) => field.name)
    const kinds = this.#kinds.get(name)
    return {
      description: schema.description,
      type: 'object',
      ...(required.length === 0 ? {} : { required }),
      properties: Object.fromEntries(schema.fields.map((field) => [field.name, this.#field(field)])),
      ...(kinds === undefined ? {} : { 'x-kubernetes-group-version-kind': kinds }),
      ...(schema.atomic === true ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    }
  }

  #field(field: FieldSchema): Json {
    const type = this.#type(field.type)
    const extensions = {
      ...(field.default === undefined ? {} : { default: field.default }),
      ...(field.enum === undefined ? {} : { enum: field.enum }),
      ...(field.listType === undefined ? {} : { 'x-kubernetes-list-type': field.listType }),
      ...(field.listMapKeys === undefined ? {} : { 'x-kubernetes-list-map-keys': field.listMapKeys }),
      ...(field.mapType === undefined ? {} : { 'x-kubernetes-map-type': field.mapType }),
      ...(field.patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
      ...(field.patchStrategy === undefined ? {} : { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') }),
    }
    const description = field.description === '' ? {} : { description: field.description }
    // In OpenAPI 3.0 nothing may stand beside $ref.
    return '$ref' in type && this.#isV3
      ? { ...description, default: {}, allOf: [type], ...extensions }
      : { ...description, ...type, ...extensions }
  }

  #type(type: TypeRef): Json {
    switch (type.kind) {
      case 'scalar':
        return { ...(this.#isV3 ? scalarSchemas : scalarSchemasV2)[type.scalar] }
      case 'list':
        return { type: 'array', items: this.#type(type.of) }
      case 'map':
        return { type: 'object', additionalProperties: this.#type(type.of) }
      case 'object':
        return { $ref: this.reference(type.name) }
    }
  }
}

const scalarSchemas: Record<ScalarType, Json> = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  time: { type: 'string', format: 'date-time' },
  microTime: { type: 'string', format: 'date-time' },
  intOrString: { 'x-kubernetes-int-or-string': true },
  quantity: { type: 'string' },
  json: { type: 'object' },
}

// IntOrString and Quantity accept numbers too: kubectl's validation must not refuse them.
scalarSchemas.intOrString = { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
scalarSchemas.quantity = { oneOf: [{ type: 'string' }, { type: 'number' }] }

// Version 2 cannot say "one of": for kubectl, which judges by it, numbers are texts as well, and what has no type may be anything.
const scalarSchemasV2: Record<ScalarType, Json> = {
  ...scalarSchemas,
  intOrString: { type: 'string', format: 'int-or-string' },
  quantity: { type: 'string' },
  json: {},
}

function kindsOf(registry: ResourceRegistry): ReadonlyMap<string, Json[]> {
  const kinds = new Map<string, Json[]>()
  for (const definition of registry.served) {
    kinds.set(definition.schema.name, [...(kinds.get(definition.schema.name) ?? []), gvkOf(definition)])
    kinds.set(`${definition.schema.name}List`, [gvkOf({ ...definition, kind: definition.listKind })])
  }
  kinds.set('io.k8s.api.autoscaling.v1.Scale', [{ group: 'autoscaling', kind: 'Scale', version: 'v1' }])
  return kinds
}

function buildV2(registry: ResourceRegistry): Json {
  const writer = new SchemaWriter(registry, '#/definitions/')
  const paths: Json = {}
  for (const definition of registry.served) {
    const v3: Json = {}
    addPaths(v3, definition, writer)
    for (const [path, item] of Object.entries(v3)) paths[path] = itemV2(item as Json)
  }
  return { swagger: '2.0', info, paths, definitions: writer.schemas }
}

function itemV2(item: Json): Json {
  const flat = (parameter: Json): Json => ({ ...parameter, ...(parameter['schema'] as Json), schema: undefined })
  return Object.fromEntries(
    Object.entries(item).map(([method, value]) => {
      if (method === 'parameters') return [method, (value as Json[]).map(flat)]
      const { requestBody, parameters, responses, ...operation } = value as {
        requestBody?: { content: Record<string, { schema: Json }> }
        parameters: Json[]
        responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>
      } & Json
      const body =
        requestBody === undefined
          ? []
          : [{ name: 'body', in: 'body', required: true, schema: Object.values(requestBody.content)[0]?.schema }]
      const answers = Object.fromEntries(
        Object.entries(responses).map(([code, { description, content }]) => [
          code,
          { description, ...(content === undefined ? {} : { schema: content['application/json']?.schema }) },
        ]),
      )
      return [
        method,
        {
          ...operation,
          ...(requestBody === undefined ? {} : { consumes: Object.keys(requestBody.content) }),
          parameters: [...parameters.map(flat), ...body],
          responses: answers,
        },
      ]
    }),
  )
}
