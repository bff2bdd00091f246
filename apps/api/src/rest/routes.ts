import { type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'

/** What the path of a resource request names. */
export interface ResourceRoute {
  readonly definition: ResourceDefinition
  /** '' for cluster-scoped objects; undefined for a list over all namespaces. */
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
  /** The older way to ask for a watch: `/api/v1/watch/…`. */
  readonly watch: boolean
}

/**
 * Reads a path below /api or /apis. Undefined when it names nothing that is served.
 *
 *     /apis/{group}/{version}[/watch][/namespaces/{namespace}]/{plural}[/{name}[/{subresource}]]
 */
export function matchRoute(registry: ResourceRegistry, path: string): ResourceRoute | undefined {
  const parts = path.split('/').slice(1).map(decode)
  const isCore = parts[0] === 'api'
  const group = isCore ? '' : (parts[1] ?? '')
  const version = (isCore ? parts[1] : parts[2]) ?? ''
  let rest = parts.slice(isCore ? 2 : 3)
  const watch = rest[0] === 'watch' && rest.length > 1
  if (watch) rest = rest.slice(1)
  if (rest.length === 0 || rest.some((part) => part === '')) return undefined
  return matchNamespaced(registry, group, version, rest, watch) ?? matchPlain(registry, group, version, rest, watch)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}

// /namespaces/{namespace}/{plural}…; but /namespaces/{name}/status and /finalize are of the Namespace itself.
function matchNamespaced(
  registry: ResourceRegistry,
  group: string,
  version: string,
  rest: readonly string[],
  watch: boolean,
): ResourceRoute | undefined {
  const [first, namespace, plural, name, subresource] = rest
  if (first !== 'namespaces' || namespace === undefined || plural === undefined || rest.length > 6) return undefined
  const definition = registry.byResource(group, version, plural)
  if (definition?.scope !== 'Namespaced') return undefined
  return { definition, namespace, name, subresource: subresourceOf(rest, 4) ?? subresource, watch }
}

function matchPlain(
  registry: ResourceRegistry,
  group: string,
  version: string,
  rest: readonly string[],
  watch: boolean,
): ResourceRoute | undefined {
  const [plural = '', name] = rest
  const definition = registry.byResource(group, version, plural)
  if (definition === undefined || rest.length > 4) return undefined
  if (definition.scope === 'Namespaced')
    return name === undefined ? { definition, namespace: undefined, name, subresource: undefined, watch } : undefined
  return { definition, namespace: '', name, subresource: subresourceOf(rest, 2), watch }
}

// What follows a proxy subresource belongs to it.
function subresourceOf(rest: readonly string[], at: number): string | undefined {
  return rest.length > at ? (rest[at] as string) : undefined
}
