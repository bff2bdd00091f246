import type { SchemaLookup } from '@binnacle/apimachinery'
import { defineResource, generatedResources } from './define-resource.ts'
import * as kinds from './kinds/index.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { schemaOf } from './schemas.ts'

/** Every resource that a server knows, by each of the ways in which it is asked for. */
export interface ResourceRegistry {
  /** Every definition, in discovery order (core first, then groups by upstream's priority, versions by stability). */
  readonly all: readonly ResourceDefinition[]
  /** Those served under the runtime configuration in force. */
  readonly served: readonly ResourceDefinition[]
  byResource(group: string, version: string, plural: string): ResourceDefinition | undefined
  byKind(group: string, version: string, kind: string): ResourceDefinition | undefined
  /** The definition in its storage version. */
  byStorageName(storageName: string): ResourceDefinition | undefined
  readonly schemas: SchemaLookup
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

/** The registry of Kubernetes' own kinds. */
export function builtInRegistry(runtimeConfig: RuntimeConfig = {}): ResourceRegistry {
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
  return complete.sort(
    (a, b) =>
      rank(a) - rank(b) ||
      compareText(a.group, b.group) ||
      compareVersions(a.version, b.version) ||
      compareText(a.plural, b.plural),
  )
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

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Orders versions as Kubernetes does: GA before beta before alpha, newer first. */
export function compareVersions(a: string, b: string): number {
  const parts = (version: string): number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
    return match === null
      ? [0, 0, 0]
      : [match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1, Number(match[1]), Number(match[3] ?? 0)]
  }
  const [left, right] = [parts(a), parts(b)]
  for (let i = 0; i < 3; i++) if (left[i] !== right[i]) return (right[i] as number) - (left[i] as number)
  return compareText(a, b)
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

class DefinitionRegistry implements ResourceRegistry {
  readonly all: readonly ResourceDefinition[]
  readonly served: readonly ResourceDefinition[]
  readonly schemas: SchemaLookup = schemaOf
  readonly #byResource = new Map<string, ResourceDefinition>()
  readonly #byKind = new Map<string, ResourceDefinition>()
  readonly #byStorageName = new Map<string, ResourceDefinition>()

  constructor(all: readonly ResourceDefinition[], served: readonly ResourceDefinition[]) {
    this.all = all
    this.served = served
    for (const definition of served) {
      this.#byResource.set(`${definition.group}/${definition.version}/${definition.plural}`, definition)
      this.#byKind.set(`${definition.group}/${definition.version}/${definition.kind}`, definition)
    }
    for (const definition of all) {
      const ownGroup = definition.group === '' ? definition.plural : `${definition.plural}.${definition.group}`
      if (definition.storageVersion === definition.version && definition.storageName === ownGroup)
        this.#byStorageName.set(definition.storageName, definition)
    }
  }

  byResource(group: string, version: string, plural: string): ResourceDefinition | undefined {
    return this.#byResource.get(`${group}/${version}/${plural}`)
  }

  byKind(group: string, version: string, kind: string): ResourceDefinition | undefined {
    return this.#byKind.get(`${group}/${version}/${kind}`)
  }

  byStorageName(storageName: string): ResourceDefinition | undefined {
    return this.#byStorageName.get(storageName)
  }
}
