import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../fixtures/product.ts'

const foreignFolders = new Set(['node_modules', '.git', '.next', '.turbo', '.binnacle', 'generated', 'coverage', 'out'])

/** Every file of the repository as a path from its root; what is installed, built or generated is left out. */
export const repositoryFiles: readonly string[] = [...filesBelow('')]

function* filesBelow(folder: string): Generator<string> {
  const entries = readdirSync(path.join(root, folder), { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = path.posix.join(folder, entry.name)
    if (entry.isDirectory() && !foreignFolders.has(entry.name)) yield* filesBelow(file)
    // A worktree's .git is a file.
    if (entry.isFile() && entry.name !== '.git') yield file
  }
}

/** The text of a file of the repository. */
export const readText = (file: string): string => readFileSync(path.join(root, file), 'utf8')

/** Every document. */
export const documents: readonly string[] = repositoryFiles.filter((file) => file.endsWith('.md'))

/** Every source file but tests. */
export const sources: readonly string[] = repositoryFiles.filter(
  (file) => /\.(m?ts|tsx|mjs)$/.test(file) && !file.includes('.test.'),
)

/** The parts of a document that are code: what stands in single backticks, and the blocks with their language. */
export interface DocumentCode {
  readonly spans: readonly string[]
  readonly blocks: readonly { readonly language: string; readonly text: string; readonly before: string }[]
}

/** Takes a document's code out of it. `before` of a block is the line above it, where comments for tests stand. */
export function codeOf(text: string): DocumentCode {
  const blocks: { language: string; text: string; before: string }[] = []
  const prose = text.replace(
    /(?:^([^\n]*)\n+)?^ *```(\w*)\n([\s\S]*?)^ *```$/gm,
    (_all, before = '', language, code) => {
      blocks.push({ language, text: code, before })
      return before
    },
  )
  return { blocks, spans: [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] as string) }
}
