import { createHash } from 'node:crypto'
import { apiVersionOf, compareVersions, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'

/** Discovery documents, legacy and aggregated, from the registry alone. */

interface GroupVersion {
  readonly group: string
  readonly version: string
  readonly definitions: readonly ResourceDefinition[]
}

function groupVersions(registry: ResourceRegistry): GroupVersion[] {
  const found = Map.groupBy(registry.served, (definition) => `${definition.group}/${definition.version}`)
  return [...found.values()].map((definitions) => ({
    group: (definitions[0] as ResourceDefinition).group,
    version: (definitions[0] as ResourceDefinition).version,
    definitions,
  }))
}

/** `GET /api`. */
export function apiVersions(host: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: host }],
  }
}

function groupOf(group: string, versions: readonly string[]) {
  const sorted = [...versions]
    .sort(compareVersions)
    .map((version) => ({ groupVersion: `${group}/${version}`, version }))
  return { name: group, versions: sorted, preferredVersion: sorted[0] }
}

/** `GET /apis`. */
export function apiGroupList(registry: ResourceRegistry): object {
  const groups = Map.groupBy(
    groupVersions(registry).filter(({ group }) => group !== ''),
    ({ group }) => group,
  )
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: [...groups].map(([group, versions]) =>
      groupOf(
        group,
        versions.map(({ version }) => version),
      ),
    ),
  }
}

/** `GET /apis/{group}`; undefined for a group that is not served. */
export function apiGroup(registry: ResourceRegistry, group: string): object | undefined {
  const versions = groupVersions(registry).filter((entry) => entry.group === group)
  if (group === '' || versions.length === 0) return undefined
  return {
    kind: 'APIGroup',
    apiVersion: 'v1',
    ...groupOf(
      group,
      versions.map(({ version }) => version),
    ),
  }
}

/** `GET /api/v1`, `GET /apis/{group}/{version}`; undefined for one that is not served. */
export function apiResourceList(registry: ResourceRegistry, group: string, version: string): object | undefined {
  const found = groupVersions(registry).find((entry) => entry.group === group && entry.version === version)
  if (found === undefined) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(found),
    resources: found.definitions.flatMap(legacyResources),
  }
}

// Of a kind that is going away nothing new is made.
const terminatingVerbs: readonly string[] = ['delete', 'deletecollection', 'get', 'list', 'watch']
const verbsOf = ({ verbs, custom }: ResourceDefinition): readonly string[] =>
  custom?.terminating === true ? terminatingVerbs : verbs

function legacyResources(definition: ResourceDefinition): object[] {
  const namespaced = definition.scope === 'Namespaced'
  const main = {
    name: definition.plural,
    singularName: definition.singular,
    namespaced,
    kind: definition.kind,
    verbs: verbsOf(definition),
    ...(definition.shortNames.length === 0 ? {} : { shortNames: definition.shortNames }),
    ...(definition.categories.length === 0 ? {} : { categories: definition.categories }),
    ...(definition.virtual === true ? {} : { storageVersionHash: storageVersionHash(definition) }),
  }
  const subresources = subresourcesOf(definition).map(({ name, group, version, kind, verbs }) => ({
    name: `${definition.plural}/${name}`,
    singularName: '',
    namespaced,
    ...(group === definition.group && version === definition.version
      ? {}
      : { ...(group === '' ? {} : { group }), version }),
    kind,
    verbs,
  }))
  return [main, ...subresources]
}

function storageVersionHash({ group, storageVersion, kind }: ResourceDefinition): string {
  return createHash('sha256').update(`${group}/${storageVersion}/${kind}`).digest().subarray(0, 8).toString('base64')
}

interface Subresource {
  readonly name: string
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly verbs: readonly string[]
}

/** Every subresource of a definition, in the order of their names. */
export function subresourcesOf(definition: ResourceDefinition): readonly Subresource[] {
  const { status, scale, others } = definition.subresources
  const readWrite = ['get', 'patch', 'update']
  const all: Subresource[] = others.map((other) => ({
    ...other,
    verbs: other.verbs.length > 0 ? other.verbs : connectVerbs(other.name),
  }))
  if (status === true)
    all.push({
      name: 'status',
      group: definition.group,
      version: definition.version,
      kind: definition.kind,
      verbs: readWrite,
    })
  if (scale !== undefined)
    all.push({ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: readWrite })
  return all.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function connectVerbs(name: string): readonly string[] {
  return name === 'proxy' ? ['create', 'delete', 'get', 'patch', 'update'] : ['create', 'get']
}

/** The forms of aggregated discovery, newest first. */
export type AggregatedVersion = 'v2' | 'v2beta1'

/** Which aggregated form an Accept header asks for; undefined: the legacy documents. The client's order decides. */
export function negotiateAggregated(accept: string): AggregatedVersion | undefined {
  for (const offer of accept.split(',')) {
    const parameters = offer.split(';').map((part) => part.trim())
    if (!parameters.includes('as=APIGroupDiscoveryList') || !parameters.includes('g=apidiscovery.k8s.io')) continue
    if (parameters.includes('v=v2')) return 'v2'
    if (parameters.includes('v=v2beta1')) return 'v2beta1'
  }
  return undefined
}

/** The Content-Type that names an aggregated form. */
export function aggregatedType(version: AggregatedVersion): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`
}

/** `GET /api` (`legacy`) or `GET /apis` in the aggregated form. */
export function aggregatedDiscovery(registry: ResourceRegistry, legacy: boolean, version: AggregatedVersion): object {
  const chosen = groupVersions(registry).filter(({ group }) => (group === '') === legacy)
  const groups = Map.groupBy(chosen, ({ group }) => group)
  const items = [...groups].map(([group, versions]) => ({
    metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
    versions: versions
      .sort((a, b) => compareVersions(a.version, b.version))
      .map((entry) => ({
        version: entry.version,
        resources: entry.definitions.map(aggregatedResource),
        freshness: 'Current',
      })),
  }))
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items }
}

function aggregatedResource(definition: ResourceDefinition): object {
  const { group, version, kind, plural, singular, scope, shortNames, categories } = definition
  const subresources = subresourcesOf(definition).map((subresource) => ({
    subresource: subresource.name,
    responseKind: { group: subresource.group, version: subresource.version, kind: subresource.kind },
    verbs: subresource.verbs,
  }))
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: scope === 'Namespaced' ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs: verbsOf(definition),
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  }
}
