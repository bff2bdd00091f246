import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { codeOf, documents, readText, repositoryFiles, sources } from './repository.ts'

/** What documents name exists: a map that points to what is gone misleads. */

const files = new Set(repositoryFiles)
const folders = new Set(repositoryFiles.flatMap(foldersOf))
const fileNames = new Set(repositoryFiles.map((file) => path.posix.basename(file)))
const topFolders = new Set([...folders].filter((folder) => !folder.includes('/')))
const scripts = new Set(Object.keys(JSON.parse(readText('package.json')).scripts as object))
const tests = repositoryFiles.filter((file) => file.includes('.test.'))
const settings = repositoryFiles.filter((file) => /^[\w.]+\.json$/.test(file) && file !== 'package-lock.json')
const words = new Set(
  [...sources, ...tests, ...settings].flatMap((file) => readText(file).match(/[A-Za-z_$][\w$]*/g) ?? []),
)

const sourceText = sources.map(readText).join('\n')
// Options are names in text, or keys of what `parseArgs` is told.
const isOption = (name: string): boolean =>
  new RegExp(`['"\`]${name}['"\`]|--${name}\\b|\\b${name}: [{(]`).test(sourceText)
const foreignPrograms = new Set(['pg_dump'])

function foldersOf(file: string): string[] {
  const parts = file.split('/').slice(0, -1)
  return parts.map((_, i) => parts.slice(0, i + 1).join('/'))
}

const isThere = (target: string): boolean => files.has(target) || folders.has(target.replace(/\/$/, ''))

// `packages/core/src/index.ts`, `test/`, `plan.ts`: paths from the root, from the document, or names of files that occur somewhere.
function isMissingPath(document: string, span: string): boolean {
  if (!/^\.?\w[\w.-]*(\/[\w.[\]-]+)*\/?$/.test(span)) return false
  const isPath = topFolders.has(span.split('/')[0] as string) && span.includes('/')
  const isFileName = !span.includes('/') && /\w\.(ts|tsx|mjs|md|sql|yaml|graphql)$/.test(span)
  if (isFileName) return !fileNames.has(span)
  return isPath && !isThere(span) && !isThere(path.posix.join(path.posix.dirname(document), span))
}

// What looks like an identifier of ours: several humps, words joined by underscores, or a call.
const isSymbol = (span: string): boolean =>
  /^[a-z]+(_[a-z]+)+$/.test(span) ||
  /^[A-Za-z_$][\w$]*\(\)$/.test(span) ||
  /^([a-z]+|[A-Z][a-z0-9]+)([A-Z][a-z0-9]*)+$/.test(span)

// The words of one document are Kubernetes' and GraphQL's, which tests of its own execute.
const documentsOfCode = documents.filter(
  (document) => document !== 'docs/graphql.md' && document !== 'docs/compatibility.md',
)

describe.each(documents)('%s', (document) => {
  const text = readText(document)
  const { spans, blocks } = codeOf(text)

  it('links to what exists', () => {
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] as string)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !resolves(document, target))
    expect(broken).toEqual([])
  })

  it('names paths that exist', () => {
    expect(spans.filter((span) => isMissingPath(document, span))).toEqual([])
  })

  it('names npm scripts that exist', () => {
    const code = [...spans, ...blocks.map((block) => block.text)].join('\n')
    const named = [...code.matchAll(/\bnpm (?:run )?([a-z]+)/g)].map((match) => match[1] as string)
    expect(named.filter((name) => !scripts.has(name) && name !== 'ci' && name !== 'run')).toEqual([])
  })

  it('names options that some process takes', () => {
    const named = spans.map((span) => /^--([a-z-]+)/.exec(span)?.[1]).filter((name) => name !== undefined)
    expect(named.filter((name) => !isOption(name as string))).toEqual([])
  })

  it('names no line of a file, because lines move', () => {
    expect(text.match(/\.(ts|tsx|mjs|sql):\d+|\.(ts|tsx|mjs|sql)#L\d+/g) ?? []).toEqual([])
  })
})

describe.each(documentsOfCode)('%s', (document) => {
  it('names symbols that occur in the sources', () => {
    const named = codeOf(readText(document))
      .spans.filter(isSymbol)
      .map((span) => span.replace('()', ''))
    expect(named.filter((name) => !words.has(name) && !foreignPrograms.has(name))).toEqual([])
  })
})

describe('ARCHITECTURE.md', () => {
  it('names symbols beside the file that has them', () => {
    const misplaced = readText('ARCHITECTURE.md')
      .split('\n')
      .flatMap((line) => {
        const spans = codeOf(line).spans
        const named = spans.filter((span) => files.has(span) && /\.(ts|tsx|sql)$/.test(span))
        if (named.length === 0) return []
        const here = new Set(named.flatMap((file) => readText(file).match(/[A-Za-z_$][\w$]*/g) ?? []))
        return spans
          .filter(isSymbol)
          .filter((span) => !here.has(span.replace('()', '')))
          .map((span) => `${span}: ${line}`)
      })
    expect(misplaced).toEqual([])
  })

  it.each([
    ['ARCHITECTURE.md', 250],
    ['README.md', 150],
  ])('%s keeps to its length of %i lines', (document, linesMax) => {
    expect(readText(document).trimEnd().split('\n').length).toBeLessThanOrEqual(linesMax)
  })
})

function resolves(document: string, target: string): boolean {
  const [file = '', anchor] = target.split('#')
  const linked = file === '' ? document : path.posix.join(path.posix.dirname(document), file)
  if (!isThere(linked)) return false
  return anchor === undefined || anchorsOf(linked).has(anchor)
}

function anchorsOf(document: string): Set<string> {
  const headings = readText(document).matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map((match) =>
      (match[1] as string)
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replace(/ /g, '-'),
    ),
  )
}
