import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { builtInRegistry, apiVersionOf } from '@binnacle/resources'
import { getOperationAST, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type Product, eventually, https, kubectlPath, root, startProduct } from '../fixtures/product.ts'
import { codeOf } from '../repo/repository.ts'

/** Every file of examples/ and every GraphQL example of docs/graphql.md, on a cluster that runs the guestbook. */

const folder = path.join(root, 'examples')
const registry = builtInRegistry()
const manifests = readdirSync(folder).filter((file) => file.endsWith('.yaml'))
const operations = readdirSync(folder).filter((file) => file.endsWith('.graphql'))

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

let product: Product

beforeAll(() => {
  product = startProduct(['--simulated-nodes', '3', '--no-dashboard'])
}, 240_000)
afterAll(() => product?.remove())

const read = (file: string): string => readFileSync(path.join(folder, file), 'utf8')
const objectsOf = (file: string): Manifest[] =>
  parseAllDocuments(read(file)).map((document) => document.toJS() as Manifest)

function collectionOf({ apiVersion, kind, metadata }: Manifest): string {
  const definition = registry.served.find((each) => apiVersionOf(each) === apiVersion && each.kind === kind)
  if (definition === undefined) throw new Error(`${apiVersion} ${kind} is not served`)
  const prefix = definition.group === '' ? `/api/${definition.version}` : `/apis/${apiVersion}`
  const namespace = definition.scope === 'Namespaced' ? `/namespaces/${metadata.namespace ?? 'default'}` : ''
  return `${product.endpoints.api}${prefix}${namespace}/${definition.plural}`
}

async function create(manifest: Manifest): Promise<void> {
  const answer = await https(product, collectionOf(manifest), { method: 'POST', body: JSON.stringify(manifest) })
  expect(answer.status, answer.body).toBe(201)
}

// What each workload's controller reports when the workload is as it should be; other kinds only have to be there.
const isAsWished: Record<string, (object: any) => boolean> = {
  Deployment: ({ spec, status }) => status?.availableReplicas === spec.replicas,
  StatefulSet: ({ spec, status }) => status?.readyReplicas === spec.replicas,
  DaemonSet: ({ status }) => status?.desiredNumberScheduled > 0 && status.numberReady === status.desiredNumberScheduled,
  ResourceQuota: ({ spec, status }) => Object.keys(status?.used ?? {}).length === Object.keys(spec.hard).length,
  Job: ({ spec, status }) => status?.succeeded === spec.completions,
}

describe('examples', () => {
  it.each(manifests)('%s is accepted as it is, and becomes what it describes', async (file) => {
    const objects = objectsOf(file)
    for (const object of objects) await create(object)
    for (const object of objects) {
      await eventually(async () => {
        const answer = await https(product, `${collectionOf(object)}/${object.metadata.name}`)
        expect(answer.status).toBe(200)
        const found: unknown = JSON.parse(answer.body)
        expect(isAsWished[object.kind]?.(found) ?? true, answer.body).toBe(true)
      })
    }
  })

  it.each(operations)('%s gives an answer without errors', async (file) => {
    const data = await run(read(file))
    expect(errorsWithin(data)).toEqual([])
    expect(Object.values(data)).not.toContain(null)
  })
})

describe('README.md', () => {
  const { blocks } = codeOf(readFileSync(path.join(root, 'README.md'), 'utf8'))
  const text = blocks.map((block) => block.text).join('\n')
  const commands = [...text.matchAll(/^\$ kubectl (.+)$/gm)].map((match) => match[1] as string)

  it.skipIf(kubectlPath === undefined).each(commands)('kubectl %s', async (command) => {
    expect(await product.kubectl(...command.split(' '))).not.toBe('')
  })

  it('asks in GraphQL for what there is', async () => {
    const { query } = JSON.parse(/-d '(.+)'$/m.exec(text)?.[1] as string) as { query: string }
    expect(JSON.stringify(await product.graphql(query))).toMatch(/"frontend-.*"sim-/)
  })
})

describe('docs/graphql.md', () => {
  const blocks = codeOf(readFileSync(path.join(root, 'docs/graphql.md'), 'utf8')).blocks
  const examples = blocks.filter(({ language }) => language === 'graphql')
  const titled = examples.map(({ text, before }, i) => ({
    title: `${i + 1}: ${text.split('\n')[1]?.trim()}`,
    text,
    before,
  }))

  it.each(titled)('example $title', async ({ text, before }) => {
    const fails = /<!-- fails: (\w+) -->/.exec(before)?.[1]
    const answers = /<!-- answers: (\w+) -->/.exec(before)?.[1]
    if (fails !== undefined) return expect(await codeOfFailure(text)).toBe(fails)
    const reasons = errorsWithin(await run(text)).map(({ reason }) => reason)
    expect(reasons).toEqual(answers === undefined ? [] : [answers])
  })
})

/** Runs an operation: queries and mutations over HTTP, of a subscription the first batch over a WebSocket. */
async function run(document: string): Promise<Record<string, unknown>> {
  if (getOperationAST(parse(document))?.operation !== 'subscription') return await product.graphql(document)
  const client = product.graphqlWs()
  try {
    for await (const { data, errors } of client.iterate<Record<string, unknown>>({ query: document })) {
      expect(errors).toBeUndefined()
      return data as Record<string, unknown>
    }
    throw new Error('the subscription ended without a batch')
  } finally {
    await client.dispose()
  }
}

async function codeOfFailure(query: string): Promise<unknown> {
  const answer = await https(product, product.endpoints.graphql, { method: 'POST', body: JSON.stringify({ query }) })
  return JSON.parse(answer.body).errors?.[0]?.extensions?.code
}

/** The refusals in mutations' payloads. */
function errorsWithin(data: Record<string, unknown>): { reason: string }[] {
  return Object.values(data).flatMap((payload) => (payload as { error?: { reason: string } } | null)?.error ?? [])
}
