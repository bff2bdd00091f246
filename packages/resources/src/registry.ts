import type { ObjectSchema, SchemaLookup } from '@binnacle/apimachinery'
import type { CustomDefinition } from './custom/definition.ts'
import { defineResource, generatedResources } from './define-resource.ts'
import * as kinds from './kinds/index.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { compareText, compareVersions } from './version-order.ts'
import { expandedSchemas, schemaOf } from './schemas.ts'

/** Every resource that a server knows, by each of the ways in which it is asked for. */
export interface ResourceRegistry {
  /** Every definition, in discovery order (core first, then groups by upstream's priority, versions by stability). */
  readonly all: readonly ResourceDefinition[]
  /** Those served under the runtime configuration in force. */
  readonly served: readonly ResourceDefinition[]
  byResource(group: string, version: string, plural: string): ResourceDefinition | undefined
  byKind(group: string, version: string, kind: string): ResourceDefinition | undefined
  /** The definition in its storage version; of a custom kind the one in its first version. */
  byStorageName(storageName: string): ResourceDefinition | undefined
  readonly schemas: SchemaLookup
  /** Goes up by one whenever the custom kinds change: what was derived from the registry before is out of date. */
  readonly generation: number
  /** Calls the listener after each such change. Gives the function that ends it. */
  onChange(listener: () => void): () => void
}

/** A registry whose custom kinds somebody keeps current (`CustomKinds`). */
export interface ExtensibleRegistry extends ResourceRegistry {
  /**
   * Sets the custom kinds. Those whose group and version are Kubernetes' own are left out, as kube-apiserver never asks for them. A definition that
   * stands for the same version of the same CustomResourceDefinition as before stays the same object, with its new contents.
   */
  setCustom(definitions: readonly CustomDefinition[]): void
}

/**
 * Which versions are served: `api/all=true`, `api/beta=true`, `group/version=true|false`, as kube-apiserver's --runtime-config.
 */
export type RuntimeConfig = Readonly<Record<string, boolean>>

/** Reads the values of a `--runtime-config` flag: `a=true,b=false`; no value stands for true. */
export function runtimeConfigOf(values: readonly string[]): RuntimeConfig {
  const entries = values.flatMap((text) => text.split(',')).map((entry) => entry.split('='))
  return Object.fromEntries(entries.map(([version = '', value]) => [version, value !== 'false']))
}

// The order of groups in discovery, most asked-for first; others follow by name.
const groupOrder = [
  '',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'resource.k8s.io',
]

/** A registry of Kubernetes' own kinds, to which custom ones may come. */
export function builtInRegistry(runtimeConfig: RuntimeConfig = {}): ExtensibleRegistry {
  const all = allDefinitions()
  return new DefinitionRegistry(
    all,
    all.filter((definition) => isServed(definition, runtimeConfig)),
  )
}

let definitions: readonly ResourceDefinition[] | undefined

function allDefinitions(): readonly ResourceDefinition[] {
  definitions ??= buildDefinitions()
  return definitions
}

function buildDefinitions(): readonly ResourceDefinition[] {
  const identity = (definition: ResourceDefinition): string =>
    `${definition.group}/${definition.version}/${definition.plural}`
  const own = new Map<string, ResourceDefinition>()
  for (const value of Object.values(kinds)) {
    if (typeof value === 'object' && 'plural' in value)
      own.set(identity(value as ResourceDefinition), value as ResourceDefinition)
  }
  const complete = generatedResources.map((name) => own.get(name) ?? plainDefinition(name, own))
  const rank = (definition: ResourceDefinition): number =>
    (groupOrder.indexOf(definition.group) + groupOrder.length + 1) % (groupOrder.length + 1)
  return complete.sort((a, b) => rank(a) - rank(b) || compareDefinitions(a, b))
}

// Another version of a resource that has an entry shares its storage: they differ in apiVersion only.
function plainDefinition(name: string, own: ReadonlyMap<string, ResourceDefinition>): ResourceDefinition {
  const [group = '', version = '', plural = ''] = name.split('/')
  const preferred = [...own.values()].find((definition) => definition.group === group && definition.plural === plural)
  if (preferred === undefined) return defineResource(group, version, plural)
  return defineResource(group, version, plural, {
    shortNames: preferred.shortNames,
    storage: { storageName: preferred.storageName, storageVersion: preferred.storageVersion },
  })
}

function isServed(definition: ResourceDefinition, config: RuntimeConfig): boolean {
  const { group, version, servedByDefault } = definition
  const stability = version.includes('alpha') ? 'alpha' : version.includes('beta') ? 'beta' : 'ga'
  return (
    config[`${group === '' ? '' : `${group}/`}${version}`] ??
    config[`api/${stability}`] ??
    config['api/all'] ??
    servedByDefault
  )
}

class DefinitionRegistry implements ExtensibleRegistry {
  all: readonly ResourceDefinition[]
  served: readonly ResourceDefinition[]
  generation = 0
  readonly #builtIn: { readonly all: readonly ResourceDefinition[]; readonly served: readonly ResourceDefinition[] }
  readonly #builtInVersions: ReadonlySet<string>
  readonly #byResource = new Map<string, ResourceDefinition>()
  readonly #byKind = new Map<string, ResourceDefinition>()
  readonly #byStorageName = new Map<string, ResourceDefinition>()
  readonly #listeners = new Set<() => void>()
  #custom = new Map<string, CustomDefinition>()
  #customSchemas = new Map<string, ObjectSchema>()

  constructor(all: readonly ResourceDefinition[], served: readonly ResourceDefinition[]) {
    this.all = all
    this.served = served
    this.#builtIn = { all, served }
    this.#builtInVersions = new Set(all.map(({ group, version }) => `${group}/${version}`))
    for (const definition of served) this.#enter(definition)
    for (const definition of all) {
      const ownGroup = definition.group === '' ? definition.plural : `${definition.plural}.${definition.group}`
      if (definition.storageVersion === definition.version && definition.storageName === ownGroup)
        this.#byStorageName.set(definition.storageName, definition)
    }
  }

  // Every part of every write asks for schemas: those of built-in kinds are found first.
  readonly schemas: SchemaLookup = (name) =>
    expandedSchemas.get(name) ?? this.#customSchemas.get(name) ?? schemaOf(name)

  byResource(group: string, version: string, plural: string): ResourceDefinition | undefined {
    return this.#byResource.get(`${group}/${version}/${plural}`)
  }

  byKind(group: string, version: string, kind: string): ResourceDefinition | undefined {
    return this.#byKind.get(`${group}/${version}/${kind}`)
  }

  byStorageName(storageName: string): ResourceDefinition | undefined {
    return this.#byStorageName.get(storageName)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  setCustom(definitions: readonly CustomDefinition[]): void {
    for (const { group, version, plural, kind, storageName } of this.#custom.values()) {
      this.#byResource.delete(`${group}/${version}/${plural}`)
      this.#byKind.delete(`${group}/${version}/${kind}`)
      this.#byStorageName.delete(storageName)
    }
    const before = this.#custom
    this.#custom = new Map()
    this.#customSchemas = new Map()
    for (const definition of definitions) {
      if (this.#builtInVersions.has(`${definition.group}/${definition.version}`)) continue
      this.#add(definition, before)
    }
    const custom = [...this.#custom.values()].sort(compareDefinitions)
    for (const definition of custom.toReversed()) this.#byStorageName.set(definition.storageName, definition)
    this.all = [...this.#builtIn.all, ...custom]
    this.served = [...this.#builtIn.served, ...custom]
    this.generation++
    for (const listener of this.#listeners) listener()
  }

  #add(definition: CustomDefinition, before: ReadonlyMap<string, CustomDefinition>): void {
    const identity = `${definition.custom.uid}/${definition.version}`
    const known = before.get(identity)
    const current = known === undefined || known === definition ? definition : Object.assign(known, definition)
    this.#custom.set(identity, current)
    this.#enter(current)
    this.#customSchemas.set(current.schema.name, current.schema)
    for (const [name, schema] of current.custom.innerSchemas) this.#customSchemas.set(name, schema)
  }

  #enter(definition: ResourceDefinition): void {
    this.#byResource.set(`${definition.group}/${definition.version}/${definition.plural}`, definition)
    this.#byKind.set(`${definition.group}/${definition.version}/${definition.kind}`, definition)
  }
}

function compareDefinitions(a: ResourceDefinition, b: ResourceDefinition): number {
  return compareText(a.group, b.group) || compareVersions(a.version, b.version) || compareText(a.plural, b.plural)
}
