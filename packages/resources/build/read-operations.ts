import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A resource as the client's operations reveal it. */
export interface OperatedResource {
  readonly group: string
  readonly version: string
  readonly plural: string
  namespaced: boolean
  /** The model of the object; of the list. */
  model: string
  listModel: string
  readonly verbs: Set<string>
  /** Subresource → verbs and the model of its body. */
  readonly subresources: Map<string, { verbs: Set<string>; model: string }>
}

const verbsByPrefix: readonly (readonly [string, string])[] = [
  ['deleteCollection', 'deletecollection'],
  ['create', 'create'],
  ['delete', 'delete'],
  ['list', 'list'],
  ['patch', 'patch'],
  ['read', 'get'],
  ['replace', 'update'],
]

/**
 * Reads every operation of the API classes that the client really uses: its paths, verbs and body types give the resources.
 */
export function readOperations(genFolder: string): readonly OperatedResource[] {
  const used = new Set(
    [
      ...readFileSync(path.join(genFolder, 'types/ObservableAPI.js'), 'utf8').matchAll(/from "\.\.\/apis\/(\w+)\.js"/g),
    ].map((match) => match[1] as string),
  )
  const resources = new Map<string, OperatedResource>()
  for (const api of used) {
    const source = readFileSync(path.join(genFolder, 'apis', `${api}.js`), 'utf8')
    const responses = new Map(
      [...source.matchAll(/async (\w+)WithHttpInfo\(response\) \{[\s\S]*?deserialize\([^"]*"([^"]+)"/g)].map(
        (match) => [match[1] as string, match[2] as string],
      ),
    )
    for (const part of source.split(/^ {4}async (?=\w+\()/m).slice(1)) {
      const name = /^\w+/.exec(part)?.[0] ?? ''
      const route = /localVarPath = '([^']+)'/.exec(part)?.[1]
      if (route === undefined) continue
      const body = /ObjectSerializer\.serialize\(body, "([^"]+)"/.exec(part)?.[1]
      note(resources, name, route, body, responses.get(name))
    }
  }
  return [...resources.values()]
}

const routePattern =
  /^\/(?:api|apis\/([^/]+))\/(v\d\w*)(\/namespaces\/\{namespace\})?\/([a-z]+)(?:\/\{name\}(?:\/([a-z]+)(\/\{path\})?)?)?$/

function note(
  resources: Map<string, OperatedResource>,
  operation: string,
  route: string,
  body: string | undefined,
  response: string | undefined,
): void {
  const verb = verbsByPrefix.find(([prefix]) => operation.startsWith(prefix))?.[1]
  const match = routePattern.exec(route)
  if (match === null) return
  const [, group = '', version = '', inNamespace, plural = '', subresource] = match
  const key = `${group}/${version}/${plural}`
  let resource = resources.get(key)
  if (resource === undefined) {
    resource = {
      group,
      version,
      plural,
      namespaced: false,
      model: '',
      listModel: '',
      verbs: new Set(),
      subresources: new Map(),
    }
    resources.set(key, resource)
  }
  if (inNamespace !== undefined) resource.namespaced = true
  if (subresource !== undefined) {
    const entry = resource.subresources.get(subresource) ?? { verbs: new Set<string>(), model: '' }
    resource.subresources.set(subresource, entry)
    entry.verbs.add(verb ?? 'connect')
    if (body !== undefined && verb !== 'patch' && body !== 'any') entry.model = body
    return
  }
  if (verb === undefined) return
  resource.verbs.add(verb)
  if (verb === 'list') {
    resource.listModel = response ?? ''
    resource.verbs.add('watch')
  }
  if (verb === 'create' || verb === 'update') resource.model = body ?? resource.model
}
