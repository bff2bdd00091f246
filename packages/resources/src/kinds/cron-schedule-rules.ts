/** What a schedule of a CronJob may look like: five fields, or a descriptor such as `@daily` (robfig/cron's standard parser, with its texts). */

interface Bounds {
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const bounds: readonly Bounds[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: days },
]
const descriptors = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']

/** Why a text is no schedule; undefined when it is one. */
export function cronScheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(CRON_)?TZ=\S*\s*/, '').trim()
  if (text === '') return 'empty spec string'
  if (text.startsWith('@')) {
    if (descriptors.includes(text)) return undefined
    const every = /^@every (.*)$/.exec(text)
    if (every === null) return `unrecognized descriptor: ${text}`
    const duration = every[1] ?? ''
    return /^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$/.test(duration)
      ? undefined
      : `failed to parse duration ${text}: time: invalid duration "${duration}"`
  }
  const fields = text.split(/\s+/)
  if (fields.length !== bounds.length)
    return `expected exactly ${bounds.length} fields, found ${fields.length}: [${fields.join(' ')}]`
  for (const [index, field] of fields.entries()) {
    for (const part of field.split(',')) {
      const problem = partProblem(part, bounds[index] as Bounds)
      if (problem !== undefined) return problem
    }
  }
  return undefined
}

function partProblem(part: string, field: Bounds): string | undefined {
  const [range = '', step, ...moreSteps] = part.split('/')
  const [low = '', high, ...moreHyphens] = range.split('-')
  let [start, end] = [field.min, field.max]
  if (low !== '*' && low !== '?') {
    const first = numberOf(low, field)
    if (typeof first === 'string') return first
    start = first
    if (moreHyphens.length > 0) return `too many hyphens: ${part}`
    const last = high === undefined ? first : numberOf(high, field)
    if (typeof last === 'string') return last
    end = high === undefined && step !== undefined ? field.max : last
  }
  if (moreSteps.length > 0) return `too many slashes: ${part}`
  const stepSize = step === undefined ? 1 : numberOf(step, { ...field, names: [] })
  if (typeof stepSize === 'string') return stepSize
  if (start < field.min) return `beginning of range (${start}) below minimum (${field.min}): ${part}`
  if (end > field.max) return `end of range (${end}) above maximum (${field.max}): ${part}`
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${part}`
  return stepSize === 0 ? `step of range should be a positive number: ${part}` : undefined
}

// The number, or why there is none.
function numberOf(text: string, { names, min }: Bounds): number | string {
  const named = names.indexOf(text.toLowerCase())
  if (named >= 0) return named + min
  return /^\+?\d+$/.test(text)
    ? Number(text)
    : `failed to parse int from ${text}: strconv.Atoi: parsing "${text}": invalid syntax`
}
