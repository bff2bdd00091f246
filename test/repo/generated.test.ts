import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { root } from '../fixtures/product.ts'
import { compatibilityPage } from './compatibility-page.ts'
import { readText } from './repository.ts'

/** What is generated is what the generators give now. `npm run generate` makes it so. */

describe('packages/resources/src/generated', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-generated-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is what the type packages give', () => {
    execFileSync(process.execPath, ['packages/resources/build/generate.ts', folder], { cwd: root })
    const made = readdirSync(folder).toSorted()
    expect(made).toEqual(['resources.json', 'schemas.json', 'types.ts'])
    const differing = made.filter(
      (name) =>
        readFileSync(path.join(folder, name), 'utf8') !==
        readFileSync(path.join(root, 'packages/resources/src/generated', name), 'utf8'),
    )
    expect(differing).toEqual([])
  })
})

describe('docs/compatibility.md', () => {
  it('says of every kind what the registry and the controllers say', () => {
    expect(readText('docs/compatibility.md')).toBe(compatibilityPage(readText('docs/compatibility.md')))
  })
})
