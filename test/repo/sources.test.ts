import { describe, expect, it } from 'vitest'
import { readText, repositoryFiles, sources } from './repository.ts'

/** Habits of the sources that no linter knows. */

const exported =
  /^export (?:default )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|interface|type|enum) (\w+)/

describe('sources', () => {
  it('say of every exported name what it means', () => {
    const shipped = sources.filter((file) => /^(packages|apps)\/[^/]+\/(src|app|server)\//.test(file))
    const silent = shipped.flatMap((file) => {
      const lines = readText(file).split('\n')
      return lines.flatMap((line, i) => {
        const name = exported.exec(line)?.[1]
        // An overload's further signatures need no comment of their own.
        const isOverload = name !== undefined && lines[i - 1]?.startsWith(`export function ${name}`) === true
        return name === undefined || isOverload || lines[i - 1]?.trimEnd().endsWith('*/') === true
          ? []
          : [`${file}: ${name}`]
      })
    })
    expect(silent).toEqual([])
  })

  it('open every package with a paragraph on what it is', () => {
    const indexes = repositoryFiles.filter((file) => /^(packages|apps)\/[^/]+\/src\/index\.ts$/.test(file))
    expect(indexes.filter((file) => !readText(file).startsWith('/**'))).toEqual([])
  })

  it('have no drawers: a file is named for its noun', () => {
    const drawers = /(^|\/)(utils?|helpers?|common|misc|types)\.(m?ts|tsx)$/
    // The one of that name that is generated is not in the repository.
    expect(sources.filter((file) => drawers.test(file))).toEqual([])
  })

  it('leave nothing for later', () => {
    const marks = new RegExp(['TO', 'DO|FIX', 'ME|XX', 'X\\b'].join(''))
    expect(sources.filter((file) => marks.test(readText(file)))).toEqual([])
  })
})

describe('tests', () => {
  it('all run: none is marked as the only one', () => {
    const only = new RegExp(['(it|test|describe)', 'only\\('].join('\\.'))
    expect(repositoryFiles.filter((file) => file.includes('.test.') && only.test(readText(file)))).toEqual([])
  })
})

describe('every file', () => {
  const texts = repositoryFiles.filter((file) => !/\.(png|jpg|ico|woff2?)$/.test(file))

  it('is free of the hosts of package registries', () => {
    const hosts = new RegExp(
      [
        ['registry', 'npmjs'],
        ['proxy', 'golang'],
        ['files', 'pythonhosted'],
        ['registry', 'yarnpkg'],
      ]
        .map((parts) => parts.join('\\.'))
        .join('|'),
    )
    expect(texts.filter((file) => hosts.test(readText(file)))).toEqual([])
  })

  it('is free of the paths of one machine', () => {
    const machinePath = new RegExp(`(^|[\\s'"\`(=])/(${['work', 'home', 'Users'].join('|')})/\\w`, 'm')
    expect(texts.filter((file) => machinePath.test(readText(file)))).toEqual([])
  })

  it('lets the installing machine say where packages come from', () => {
    expect(readText('package-lock.json')).not.toMatch(/"resolved": "http/)
  })
})
