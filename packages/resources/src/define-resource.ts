import { readFileSync } from 'node:fs'
import type { KubernetesObject } from '@binnacle/apimachinery'
import type {
  Edge,
  OtherSubresource,
  PrinterColumn,
  ResourceDefinition,
  ScaleSubresource,
  Strategy,
  Verb,
  View,
} from './resource-definition.ts'
import { schemaOf } from './schemas.ts'
import { ageColumn, nameColumn } from './columns.ts'
import { ownResources } from './own-resources.ts'

/** A resource as generated from the type packages. */
export interface GeneratedResource {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespaced: boolean
  readonly kind: string
  readonly schema: string
  readonly list?: string
  readonly verbs: readonly Verb[]
  readonly subresources: readonly {
    readonly name: string
    readonly verbs: readonly string[]
    readonly schema?: string
  }[]
}

/** What a kind's file adds to the generated facts. Everything has a default that is right for a plain kind. */
export interface KindEntry<T extends KubernetesObject> {
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  /** Paths for field selectors, besides metadata.name and metadata.namespace. */
  readonly selectableFields?: readonly string[]
  /** Without the Age column where `age` is false. */
  readonly columns?: readonly PrinterColumn<T>[]
  /** False where the columns name the object themselves. */
  readonly nameFirst?: false
  readonly edges?: Readonly<Record<string, Edge>>
  readonly scale?: ScaleSubresource
  readonly strategy?: Strategy<T>
  readonly storage?: Pick<ResourceDefinition<T>, 'storageName' | 'storageVersion'> &
    Partial<Pick<ResourceDefinition<T>, 'convert'>>
  readonly view?: View<T>
  /** Where it is not as the version suggests. */
  readonly servedByDefault?: boolean
}

const published = JSON.parse(
  readFileSync(new URL('./generated/resources.json', import.meta.url), 'utf8'),
) as GeneratedResource[]
const generated = new Map(
  [...published, ...ownResources].map((resource) => [
    `${resource.group}/${resource.version}/${resource.plural}`,
    resource,
  ]),
)

/** Every resource of the type packages and every one of the project's own, as `group/version/plural`. */
export const generatedResources: readonly string[] = [...generated.keys()]

// What the body of a subresource is, where it is another group's kind.
const subresourceKinds: Record<string, readonly [group: string, version: string, kind: string]> = {
  binding: ['', 'v1', 'Binding'],
  eviction: ['policy', 'v1', 'Eviction'],
  token: ['authentication.k8s.io', 'v1', 'TokenRequest'],
  attach: ['', 'v1', 'PodAttachOptions'],
  exec: ['', 'v1', 'PodExecOptions'],
  portforward: ['', 'v1', 'PodPortForwardOptions'],
}

/**
 * The definition of a built-in resource: the facts generated from the type packages, and what the kind's file adds.
 * @throws Error when the type packages have no such resource.
 */
export function defineResource<T extends KubernetesObject>(
  group: string,
  version: string,
  plural: string,
  entry: KindEntry<T> = {},
): ResourceDefinition<T> {
  const facts = generated.get(`${group}/${version}/${plural}`)
  if (facts === undefined) throw new Error(`the type packages have no resource ${group}/${version}/${plural}`)
  const schema = schemaOf(facts.schema)
  const hasStatus = facts.subresources.some((subresource) => subresource.name === 'status')
  return {
    group,
    version,
    kind: facts.kind,
    listKind: `${facts.kind}List`,
    plural,
    singular: facts.kind.toLowerCase(),
    shortNames: entry.shortNames ?? [],
    categories: entry.categories ?? [],
    scope: facts.namespaced ? 'Namespaced' : 'Cluster',
    verbs: facts.verbs,
    schema,
    subresources: {
      ...(hasStatus ? { status: true as const } : {}),
      ...(entry.scale === undefined ? {} : { scale: entry.scale }),
      others: facts.subresources
        .filter((subresource) => !['status', 'scale'].includes(subresource.name))
        .map((subresource) => otherSubresource(facts, subresource)),
    },
    selectableFields: [
      'metadata.name',
      ...(facts.namespaced ? ['metadata.namespace'] : []),
      ...(entry.selectableFields ?? []),
    ],
    printerColumns: [...(entry.nameFirst === false ? [] : [nameColumn]), ...(entry.columns ?? [ageColumn])],
    edges: entry.edges ?? {},
    strategy: entry.strategy ?? {},
    hasGeneration: schema.byName.has('spec') && !kindsWithoutGeneration.has(facts.kind),
    servedByDefault: entry.servedByDefault ?? !/alpha|beta/.test(version),
    storageName: group === '' ? plural : `${plural}.${group}`,
    storageVersion: version,
    ...entry.storage,
    ...(entry.view === undefined ? {} : { view: entry.view }),
    ...(facts.verbs.length === 1 && facts.verbs[0] === 'create' ? { virtual: true as const } : {}),
  }
}

// Kinds whose spec does not count generations in Kubernetes.
const kindsWithoutGeneration = new Set([
  'Node',
  'Namespace',
  'Service',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'ResourceQuota',
  'LimitRange',
  'Lease',
  'CertificateSigningRequest',
  'VolumeAttachment',
  'CSINode',
])

function otherSubresource(
  facts: GeneratedResource,
  subresource: GeneratedResource['subresources'][number],
): OtherSubresource {
  const known = subresourceKinds[subresource.name]
  const [group, version, kind] = known ?? [
    facts.group,
    facts.version,
    subresource.name === 'proxy' ? `${facts.kind}ProxyOptions` : facts.kind,
  ]
  return {
    name: subresource.name,
    group,
    version,
    kind,
    verbs: subresource.verbs.filter((verb) => verb !== 'connect') as Verb[],
  }
}
