import { badRequest } from './status-error.ts'

/** One rule of a field selector. */
export interface FieldRequirement {
  readonly path: string
  readonly value: string
  readonly negated: boolean
}

/** Chooses objects by values of fields; every rule must hold. */
export class FieldSelector {
  readonly requirements: readonly FieldRequirement[]
  constructor(requirements: readonly FieldRequirement[]) {
    this.requirements = requirements
  }

  get empty(): boolean {
    return this.requirements.length === 0
  }

  /** `valueOf` gives a field's value, '' when it is absent. */
  matches(valueOf: (path: string) => string): boolean {
    for (const { path, value, negated } of this.requirements) if ((valueOf(path) === value) === negated) return false
    return true
  }

  /** The value that the selector demands of a field, if it demands one. */
  exact(path: string): string | undefined {
    return this.requirements.find((requirement) => requirement.path === path && !requirement.negated)?.value
  }
}

/**
 * Parses `a.b=c,d!=e` with `\,`, `\=` and `\\` as escapes, as apimachinery's fields package.
 * @throws StatusError BadRequest
 */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements: FieldRequirement[] = []
  for (const term of splitUnescaped(text, ',')) {
    if (term === '') continue
    const match = /^((?:\\.|[^\\=!])*?)(!=|==|=)(.*)$/s.exec(term)
    if (match === null)
      throw badRequest(`invalid field selector: invalid selector: '${text}'; can't understand '${term}'`)
    requirements.push({
      path: match[1] as string,
      value: unescapeValue(match[3] as string, text),
      negated: match[2] === '!=',
    })
  }
  return new FieldSelector(requirements)
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = []
  let part = ''
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string
    if (character === '\\') part += character + (text[++i] ?? '')
    else if (character === separator) {
      parts.push(part)
      part = ''
    } else part += character
  }
  return [...parts, part]
}

function unescapeValue(value: string, whole: string): string {
  if (!/[\\=,]/.test(value)) return value
  return value.replace(/\\(.?)|([=,])/gs, (_, escaped: string | undefined, bare: string | undefined) => {
    if (bare !== undefined || escaped === undefined || !['\\', ',', '='].includes(escaped)) {
      throw badRequest(`invalid field selector: invalid selector: '${whole}'`)
    }
    return escaped
  })
}
