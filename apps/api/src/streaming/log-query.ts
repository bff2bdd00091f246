import { badRequest, type FieldError, forbiddenField, invalid, invalidValue, parseTime } from '@binnacle/apimachinery'

const texts = { true: true, false: false, '1': true, '0': false } as const

/**
 * The query for the agent, of a `pods/log` request's (`v1.PodLogOptions`).
 * @throws StatusError BadRequest for what cannot be read, Invalid for what breaks a rule (core `ValidatePodLogOptions`)
 */
export function logQuery(query: URLSearchParams): URLSearchParams {
  const answer = new URLSearchParams()
  for (const name of ['follow', 'previous', 'timestamps']) {
    const text = query.get(name) ?? ''
    if (text === '' || texts[text as keyof typeof texts] === false) continue
    answer.set(name, 'true')
  }
  const errors: FieldError[] = []
  const number = (name: string, min: number, rule: string): void => {
    const text = query.get(name)
    if (text === null) return
    if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing "${text}": invalid syntax`)
    if (Number(text) < min) errors.push(invalidValue(name, Number(text), rule))
    answer.set(name, text)
  }
  number('tailLines', 0, 'must be greater than or equal to 0')
  number('limitBytes', 1, 'must be greater than 0')
  number('sinceSeconds', 1, 'must be greater than 0')
  const sinceTime = query.get('sinceTime')
  if (sinceTime !== null) {
    if (Number.isNaN(parseTime(sinceTime)))
      throw badRequest(`parsing time "${sinceTime}" as "2006-01-02T15:04:05Z07:00"`)
    answer.set('sinceTime', sinceTime)
    if (query.has('sinceSeconds'))
      errors.push(forbiddenField('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  }
  if (errors.length > 0) throw invalid({ group: '', plural: 'pods/log', kind: 'PodLogOptions' }, '', errors)
  return answer
}
