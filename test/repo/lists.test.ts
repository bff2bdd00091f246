import { allControllers } from '@binnacle/core'
import { builtInRegistry } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { readText, repositoryFiles, sources } from './repository.ts'

/** Lists that a new file has to be entered in: forgetting it would fail nowhere else. */

describe('the list of controllers', () => {
  const index = readText('packages/core/src/index.ts')
  const body = index.slice(index.indexOf('export function allControllers'))
  const folders = repositoryFiles
    .map((file) => /^packages\/core\/src\/controllers\/([\w-]+)\/reconcile\.ts$/.exec(file)?.[1])
    .filter((folder) => folder !== undefined)

  it.each(folders)('has what controllers/%s exports', (folder) => {
    const imported = new RegExp(`import \\{([^}]*)\\} from '\\./controllers/${folder}/reconcile\\.ts'`).exec(index)?.[1]
    const names = (imported ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name.endsWith('ontroller'))
    expect(names).not.toEqual([])
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(body))).toEqual([])
  })

  it('gives each a name of its own', () => {
    const names = allControllers(builtInRegistry(), 'authority').map(({ name }) => name)
    expect(names).toEqual([...new Set(names)])
  })
})

describe('the stories of crashes and stale views', () => {
  const index = readText('packages/core/src/index.ts')
  // Whose only writes are Events, which are lost without harm and are no crash points.
  const withoutStory = new Set(['volumeExpansionController', 'eventExpiry'])
  const tests = repositoryFiles
    .filter((file) => file.startsWith('packages/core/src/') && file.endsWith('.test.ts'))
    .map(readText)
  const running = index.slice(index.indexOf('export function allControllers'))
  const loops = [...index.matchAll(/import \{([^}]*)\} from '\.\/controllers\/[^']*'/g)]
    .flatMap(([, names = '']) => names.split(',').map((name) => name.trim()))
    // What is imported and run as it is; the others are types, and parts of a controller.
    .filter((name) => new RegExp(`(?:^ {4}|\\[|, |new )${name}\\b`, 'm').test(running))

  it('know every loop that runs', () => {
    expect(loops.length).toBeGreaterThan(35)
    expect([...withoutStory].filter((name) => !loops.includes(name))).toEqual([])
  })

  it.each(['createScheduler', ...loops.filter((name) => !withoutStory.has(name))])('are told of %s', (name) => {
    const isRun = new RegExp(`=> \\[[^\\]]*\\b${name}\\b`)
    const told = (how: string): boolean => tests.some((text) => text.includes(`${how}(`) && isRun.test(text))
    expect({ killed: told('expectSameEndWhereverKilled'), stale: told('expectSameEndOnStaleViews') }).toEqual({
      killed: true,
      stale: true,
    })
  })
})

describe('the list of kinds', () => {
  it('has every file that defines one', () => {
    const index = readText('packages/resources/src/kinds/index.ts')
    const defining = repositoryFiles.filter(
      (file) => /^packages\/resources\/src\/kinds\/[\w-]+\.ts$/.test(file) && /= defineResource\b/.test(readText(file)),
    )
    expect(defining.length).toBeGreaterThan(20)
    const missing = defining.filter((file) => !index.includes(`'./${file.split('/').at(-1)}'`))
    expect(missing).toEqual([])
  })
})

describe('the edges of GraphQL', () => {
  it('are all in its document', () => {
    const text = readText('docs/graphql.md')
    const names = builtInRegistry().served.flatMap(({ edges }) => Object.keys(edges))
    expect([...new Set(names)].filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })
})

describe('the list of admission plugins in docs/compatibility.md', () => {
  it('is what the files of admission say they do', () => {
    const files = repositoryFiles.filter((file) => /^packages\/apiserver\/src\/admission\/[\w-]+\.ts$/.test(file))
    const named = files.flatMap((file) => [...readText(file).matchAll(/\bplugins? ((?:[A-Z]\w+(?:, | and )?)+)/g)])
    const plugins = named.flatMap((match) => (match[1] as string).split(/, | and /)).filter((name) => name !== '')
    const listed = /Admission plugins: ([^.]+)\./.exec(readText('docs/compatibility.md'))?.[1]?.split(/,\s+/)
    expect(listed).toEqual([...new Set(plugins)].toSorted())
  })
})

describe('what docs/compatibility.md and README.md call missing', () => {
  const compatibility = readText('docs/compatibility.md')
  const has = (part: RegExp): boolean => sources.some((file) => part.test(file))
  const says = (file: string, text: string): boolean => readText(file).includes(text)

  it.each([
    ['server-side apply', says('apps/api/src/rest/verbs.ts', 'server-side apply is not served')],
    ['enforcing RBAC', says('packages/apiserver/src/auth/authorize.ts', 'authenticated may do everything')],
    ['custom resources', !has(/\/custom-resource/)],
    ['webhooks', !has(/\/webhook/)],
  ])('%s is missing: %s', (what, isMissing) => {
    const missing = compatibility.slice(compatibility.indexOf('## Missing'), compatibility.indexOf('## Kinds'))
    expect(missing.includes(what)).toBe(isMissing)
    const notYet = /^\| Not yet \| (.+) \|$/m.exec(readText('README.md'))?.[1] ?? ''
    expect(notYet.includes(what)).toBe(isMissing)
  })
})

describe('docs/operating.md', () => {
  it.each(['apps/api/src/config.ts', 'apps/workers/src/config.ts', 'apps/binnacle/src/options.ts'])(
    'names every option that %s reads',
    (file) => {
      const options = [...readText(file).matchAll(/^ +'?([a-z-]+)'?: \{ type: '(?:string|boolean)'/gm)].map(
        (match) => match[1],
      )
      const text = readText('docs/operating.md')
      // What a start tells a process of its own, and what only those who work on the dashboard use.
      const own = new Set(['background', 'dev'])
      expect(options.length).toBeGreaterThan(5)
      expect(options.filter((name) => !own.has(name as string) && !text.includes(`\`--${name}`))).toEqual([])
    },
  )
})
