import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../fixtures/product.ts'
import { codeOf, readText } from './repository.ts'

/** The claim of docs/adding-a-resource.md, on a copy of the package: one file and one line make a resource of both APIs. */

const copy = mkdtempSync(path.join(tmpdir(), 'binnacle-resource-'))
afterAll(() => rmSync(copy, { recursive: true, force: true }))

// Runs by itself on the copy, because the registry of this process is the repository's own.
const probe = (source: string, api: string): string => `
import { builtInRegistry } from '${source}/index.ts'
import { apiResourceList } from '${api}/rest/discovery.ts'
import { matchRoute } from '${api}/rest/routes.ts'
import { OpenApi } from '${api}/rest/openapi.ts'
import { buildGraphqlSchema } from '${api}/graphql/schema/build-schema.ts'

const registry = builtInRegistry()
const definition = registry.byResource('resource.k8s.io', 'v1', 'resourceslices')
const slice = {
  metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { nodeName: 'node-1', driver: '', pool: { name: 'pool-1' } },
}
const schema = buildGraphqlSchema(registry)
process.stdout.write(JSON.stringify({
  route: matchRoute(registry, '/apis/resource.k8s.io/v1/resourceslices/a')?.definition === definition,
  verbs: apiResourceList(registry, 'resource.k8s.io', 'v1').resources.find(({ name }) => name === 'resourceslices').verbs,
  openApi: new OpenApi(registry).document('apis/resource.k8s.io/v1').bytes.toString().includes('/resourceslices/{name}'),
  columns: definition.printerColumns.map(({ name }) => name),
  cells: definition.printerColumns.map((column) => column.value(slice, Date.parse('2026-01-01T00:01:00Z'))),
  selectable: definition.selectableFields,
  errors: definition.strategy.validate(slice),
  queries: Object.keys(schema.getQueryType().getFields()).filter((name) => name.startsWith('resourceSlice')),
  edge: String(schema.getType('ResourceSlice').getFields().node.type),
}))
`

describe('one file and one line', () => {
  let found: Record<string, unknown>

  beforeAll(() => {
    const [file, line] = codeOf(readText('docs/adding-a-resource.md')).blocks.map(({ text }) => text)
    const source = path.join(copy, 'src')
    cpSync(path.join(root, 'packages/resources/src'), source, { recursive: true })
    symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
    mkdirSync(path.join(source, 'kinds'), { recursive: true })
    writeFileSync(path.join(source, 'kinds/resource-slices.ts'), file as string)
    const index = path.join(source, 'kinds/index.ts')
    // The kind of the page is one of the repository's own, with more rules.
    writeFileSync(index, readFileSync(index, 'utf8').replace(line as string, ''))
    appendFileSync(index, line as string)
    const script = path.join(copy, 'probe.ts')
    const url = (target: string): string => pathToFileURL(target).href
    writeFileSync(path.join(copy, 'package.json'), '{"type":"module"}')
    writeFileSync(script, probe(url(source), url(path.join(root, 'apps/api/src'))))
    found = JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8', cwd: copy })) as Record<
      string,
      unknown
    >
  })

  it('give REST routes, discovery and OpenAPI', () => {
    expect(found).toMatchObject({ route: true, openApi: true })
    expect(found['verbs']).toContain('watch')
  })

  it('give the columns of tables, and field selectors', () => {
    expect(found['columns']).toEqual(['Name', 'Node', 'Driver', 'Pool', 'Age'])
    expect(found['cells']).toEqual(['a', 'node-1', '', 'pool-1', '60s'])
    expect(found['selectable']).toEqual(['metadata.name', 'spec.nodeName', 'spec.driver'])
  })

  it('give validation', () => {
    expect(found['errors']).toEqual([{ type: 'FieldValueRequired', field: 'spec.driver', message: 'Required value' }])
  })

  it('give GraphQL fields, and edges to other kinds', () => {
    expect(found['queries']).toEqual(['resourceSlice', 'resourceSlices'])
    expect(found['edge']).toBe('Node')
  })
})
