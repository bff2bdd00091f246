/**
 * Regular expressions of schemas, which are RE2's, as JavaScript's. What both know means the same; spellings that only RE2 has are rewritten.
 */

const compiled = new Map<string, RegExp | Error>()
const compiledMax = 10_000

const posixClasses: Record<string, string> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}

/** The compiled expression. @throws Error when it is none */
export function compilePattern(pattern: string): RegExp {
  let known = compiled.get(pattern)
  if (known === undefined) {
    known = tryCompile(pattern)
    if (compiled.size >= compiledMax) compiled.clear()
    compiled.set(pattern, known)
  }
  if (known instanceof Error) throw known
  return known
}

function tryCompile(pattern: string): RegExp | Error {
  const leading = /^\(\?([ims]+)\)/.exec(pattern)
  const source = rewritten(leading === null ? pattern : pattern.slice(leading[0].length))
  const flags = leading?.[1] ?? ''
  try {
    return new RegExp(source, `u${flags}`)
  } catch (error) {
    // Characters that need no escape may be escaped in RE2; JavaScript's Unicode mode refuses that.
    try {
      return new RegExp(source, flags)
    } catch {
      return error as Error
    }
  }
}

function rewritten(pattern: string): string {
  return pattern
    .replace(/\[:(\w+):\]/g, (text, name: string) => posixClasses[name] ?? text)
    .replaceAll('(?P<', '(?<')
    .replace(/(?<!\\)((?:\\\\)*)\\A/g, '$1(?<![\\s\\S])')
    .replace(/(?<!\\)((?:\\\\)*)\\z/g, '$1(?![\\s\\S])')
    .replace(/\\([pP])([LMNPSZC])(?!\{)/g, '\\$1{$2}')
}
