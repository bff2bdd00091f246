import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import type { Model } from './read-models.ts'
import { plainText } from './read-models.ts'
import type { OperatedResource } from './read-operations.ts'

/** What the second source knows of a type: its dotted name, closed sets of values, quantities, docs of referenced fields. */
export interface Declared {
  readonly dotted: string
  readonly enums: ReadonlyMap<string, readonly string[]>
  readonly quantities: ReadonlySet<string>
  readonly descriptions: ReadonlyMap<string, string>
}

/** Reads the declarations of kubernetes-models and @kubernetes-models/apimachinery, by `version/Name`. */
export function readDeclared(packages: string): ReadonlyMap<string, readonly Declared[]> {
  const found = new Map<string, Declared[]>()
  for (const folder of [
    path.join(packages, 'kubernetes-models'),
    path.join(packages, '@kubernetes-models/apimachinery/apis'),
  ]) {
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const match = /(?:^|\/)(v\d\w*)\/([A-Z]\w*)\.d\.ts$/.exec(file)
      if (match === null || file.includes('node_modules')) continue
      const declared = readDeclaration(readFileSync(path.join(folder, file), 'utf8'), match[2] as string)
      if (declared === undefined) continue
      const key = `${match[1]}/${match[2]}`
      found.set(key, [...(found.get(key) ?? []), declared])
    }
  }
  return found
}

function readDeclaration(source: string, name: string): Declared | undefined {
  const alias = new RegExp(`I${name} as (IIo\\w+)`).exec(source)?.[1]
  const body = new RegExp(`export interface I${name}[^{]*\\{([\\s\\S]*?)\\n\\}`).exec(source)?.[1]
  if (alias === undefined || body === undefined) return undefined
  const enums = new Map<string, readonly string[]>()
  const quantities = new Set<string>()
  const descriptions = new Map<string, string>()
  for (const match of body.matchAll(
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^ {4}"([^"]+)"\??: ([^;]*(?:\{[^}]*\}[^;]*)?);/gm,
  )) {
    const [, comment, field = '', type = ''] = match
    if (comment !== undefined) descriptions.set(field, plainText(comment))
    if (type.includes('ResourceQuantity')) quantities.add(field)
    const values = [...type.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((value) => JSON.parse(`"${value[1]}"`) as string)
    if (values.length > 1 && !['apiVersion', 'kind'].includes(field)) enums.set(field, values)
  }
  return { dotted: dottedFromAlias(alias, name), enums, quantities, descriptions }
}

// IIoK8sApiAppsV1DeploymentSpec → io.k8s.api.apps.v1.DeploymentSpec
function dottedFromAlias(alias: string, name: string): string {
  const prefix = alias.slice(1, alias.length - name.length)
  const rest = [
    ['IoK8sApimachineryPkgApis', 'io.k8s.apimachinery.pkg.apis.'],
    ['IoK8sApimachineryPkg', 'io.k8s.apimachinery.pkg.'],
    ['IoK8sApiextensionsApiserverPkgApis', 'io.k8s.apiextensions-apiserver.pkg.apis.'],
    ['IoK8sKubeAggregatorPkgApis', 'io.k8s.kube-aggregator.pkg.apis.'],
    ['IoK8sApi', 'io.k8s.api.'],
  ] as const
  for (const [from, to] of rest) {
    if (!prefix.startsWith(from)) continue
    const match = /^(\w*?)(V\d+(?:(?:alpha|beta)\d+)?)$/.exec(prefix.slice(from.length))
    if (match !== null)
      return `${to}${(match[1] as string).toLowerCase()}.${(match[2] as string).toLowerCase()}.${name}`
  }
  return `${prefix}.${name}`
}

const modelPattern = /^([A-Z][a-z]+)?(V\d+(?:(?:alpha|beta)\d+)?)([A-Z]\w*)$/

/** Gives every model that a resource reaches its dotted name, and what the second source declares of it. */
export function nameModels(
  models: ReadonlyMap<string, Model>,
  resources: readonly OperatedResource[],
  declared: ReadonlyMap<string, readonly Declared[]>,
): ReadonlyMap<string, { dotted: string; declared: Declared | undefined }> {
  const named = new Map<string, { dotted: string; declared: Declared | undefined }>()
  const visit = (model: string, group: string): void => {
    if (named.has(model) || !models.has(model)) return
    named.set(model, nameOf(model, group, declared))
    for (const field of models.get(model)?.fields ?? [])
      for (const reached of field.type.match(/[A-Z]\w+/g) ?? []) visit(reached, group)
  }
  for (const resource of resources) {
    const group = resource.group === '' ? 'core' : (resource.group.split('.')[0] as string)
    for (const model of [
      resource.model,
      resource.listModel,
      ...[...resource.subresources.values()].map((sub) => sub.model),
    ])
      visit(model, group)
  }
  for (const model of models.keys()) visit(model, 'core')
  return named
}

function nameOf(
  model: string,
  group: string,
  declared: ReadonlyMap<string, readonly Declared[]>,
): { dotted: string; declared: Declared | undefined } {
  const match = modelPattern.exec(model)
  if (match === null) return { dotted: `io.k8s.apimachinery.pkg.${model}`, declared: undefined }
  const version = (match[2] as string).toLowerCase()
  const name = match[3] as string
  const wanted = match[1]?.toLowerCase() ?? group
  const candidates = declared.get(`${version}/${name}`) ?? []
  const found =
    candidates.find((candidate) => candidate.dotted.split('.').at(-3) === wanted) ??
    (candidates.length === 1 && match[1] === undefined ? candidates[0] : undefined) ??
    candidates.find((candidate) => candidate.dotted.includes('.core.'))
  return { dotted: found?.dotted ?? `io.k8s.api.${wanted}.${version}.${name}`, declared: found }
}
