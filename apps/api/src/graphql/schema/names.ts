import type { ResourceDefinition, ResourceRegistry } from '@binnacle/resources'
import type { SchemaLookup, TypeRef } from '@binnacle/apimachinery'

/** The names of one resource's fields on the three root types. */
export interface RootNames {
  /** The kind's GraphQL type: `Pod`. */
  readonly type: string
  /** `pod`: one object. */
  readonly one: string
  /** `pods`: a list. */
  readonly many: string
  /** `podEvents`: the subscription. */
  readonly events: string
  /** The capitalised plural, as in `deletePods`. */
  readonly plural: string
}

/**
 * GraphQL names for everything in a registry. A type has its short name (`Pod`, `PodSpec`) unless an earlier one has it; later ones
 * carry group and version (`Event_events_k8s_io_v1`). The order is that of all known resources, kinds before the types within them, so
 * a name depends on neither what is served nor what is installed.
 */
export class GraphqlNames {
  readonly #typeBySchema = new Map<string, string>()
  readonly #taken: Set<string>

  constructor(registry: ResourceRegistry, ownTypes: readonly string[]) {
    this.#taken = new Set(ownTypes)
    // Custom kinds have no types of their own: they come and go while the schema stays.
    const typed = registry.all.filter(({ custom }) => custom === undefined)
    for (const definition of typed) this.#name(definition.schema.name, definition)
    for (const definition of typed) this.#nameWithin(definition.schema.name, definition, registry.schemas)
  }

  /** The GraphQL type of a schema by its dotted name. */
  typeOf(schemaName: string): string {
    const name = this.#typeBySchema.get(schemaName)
    if (name === undefined) throw new Error(`no GraphQL name for ${schemaName}`)
    return name
  }

  /** The root field names of a resource. */
  rootOf(definition: ResourceDefinition): RootNames {
    const type = this.typeOf(definition.schema.name)
    const suffix = type.slice(definition.kind.length)
    const one = lowerFirst(definition.kind)
    // A view has the plural of what it is about, and its kind's name tells the two apart.
    const pluralKind = definition.view === undefined ? pluralOf(definition) : definition.kind
    const many = lowerFirst(pluralKind)
    return {
      type,
      one: one + suffix,
      // Endpoints and NodeMetrics are their own plurals.
      many: (many === one ? `${many}List` : many) + suffix,
      events: `${one}Events${suffix}`,
      plural: (many === one ? `${pluralKind}List` : pluralKind) + suffix,
    }
  }

  #name(schemaName: string, { group, version }: ResourceDefinition): void {
    if (this.#typeBySchema.has(schemaName)) return
    const short = schemaName.slice(schemaName.lastIndexOf('.') + 1)
    let name = short
    if (this.#taken.has(name))
      name = `${short}_${(group === '' ? 'core' : group).replace(/-/g, '__').replace(/\./g, '_')}_${version}`
    if (this.#taken.has(name)) throw new Error(`two GraphQL types would be named ${name}`)
    this.#taken.add(name)
    this.#typeBySchema.set(schemaName, name)
  }

  #nameWithin(
    schemaName: string,
    definition: ResourceDefinition,
    schemas: SchemaLookup,
    seen = new Set<string>(),
  ): void {
    if (seen.has(schemaName)) return
    seen.add(schemaName)
    this.#name(schemaName, definition)
    for (const field of schemas(schemaName).fields) {
      const inner = objectWithin(field.type)
      if (inner !== undefined) this.#nameWithin(inner, definition, schemas, seen)
    }
  }
}

/** The object schema that a type leads to through lists; undefined for scalars and maps. */
export function objectWithin(type: TypeRef): string | undefined {
  if (type.kind === 'object') return type.name
  return type.kind === 'list' ? objectWithin(type.of) : undefined
}

/** `Pod` → `pod`, `APIService` → `apiService`, `CSINode` → `csiNode`. */
export function lowerFirst(kind: string): string {
  return kind.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]/, (start) => start.toLowerCase())
}

// The kind in its resource's plural form: NetworkPolicy and networkpolicies give NetworkPolicies.
function pluralOf({ kind, plural }: ResourceDefinition): string {
  const lower = kind.toLowerCase()
  let common = 0
  while (common < lower.length && lower[common] === plural[common]) common++
  return kind.slice(0, common) + plural.slice(common)
}

/** The GraphQL name of a field: what GraphQL does not allow in names becomes `_xHH_` (`$ref` → `_x24_ref`), which leads back. */
export function fieldName(wireName: string): string {
  const escaped = wireName.replace(/[^_0-9A-Za-z]/g, (char) => `_x${char.charCodeAt(0).toString(16)}_`)
  return /^[0-9]/.test(escaped) ? `_x${escaped.charCodeAt(0).toString(16)}_${escaped.slice(1)}` : escaped
}
