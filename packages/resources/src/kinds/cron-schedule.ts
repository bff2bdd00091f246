/** Schedules of CronJobs: five fields, or a descriptor such as `@daily` (robfig/cron's standard parser, with its texts). */

/** When a CronJob runs: at times of day that its fields name, or again and again after a pause. */
export type CronSchedule =
  | { readonly fields: CronFields; readonly timeZone: string | undefined }
  | { readonly everyMs: number }

/** The five fields of a schedule. */
export interface CronFields {
  readonly minute: CronField
  readonly hour: CronField
  readonly dayOfMonth: CronField
  readonly month: CronField
  readonly dayOfWeek: CronField
}

/** What one field allows. */
export interface CronField {
  readonly values: ReadonlySet<number>
  /** The field is `*` or `?`, by itself or in a list: of the two fields that name days, it then leaves the choice to the other. */
  readonly isAny: boolean
}

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
const descriptors: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Why a text is no schedule; undefined when it is one. */
export function cronScheduleProblem(schedule: string): string | undefined {
  const parsed = parseCronSchedule(schedule)
  return typeof parsed === 'string' ? parsed : undefined
}

/** Reads a schedule, with the time zone that old ones name in front (`TZ=Asia/Tokyo 0 6 * * *`). A text says why it is none. */
export function parseCronSchedule(schedule: string): CronSchedule | string {
  const zone = /^(?:CRON_)?TZ=(\S*)\s*/.exec(schedule)
  const text = schedule.slice(zone?.[0].length ?? 0).trim()
  if (text === '') return 'empty spec string'
  if (text.startsWith('@every ')) return everyOf(text)
  if (text.startsWith('@') && descriptors[text] === undefined) return `unrecognized descriptor: ${text}`
  const parts = (descriptors[text] ?? text).split(/\s+/)
  if (parts.length !== bounds.length)
    return `expected exactly ${bounds.length} fields, found ${parts.length}: [${parts.join(' ')}]`
  const fields: CronField[] = []
  for (const [index, part] of parts.entries()) {
    const field = fieldOf(part, bounds[index] as Bounds)
    if (typeof field === 'string') return field
    fields.push(field)
  }
  const [minute, hour, dayOfMonth, month, dayOfWeek] = fields as [CronField, CronField, CronField, CronField, CronField]
  return { fields: { minute, hour, dayOfMonth, month, dayOfWeek }, timeZone: zone?.[1] }
}

// A pause is whole seconds, one at least.
function everyOf(text: string): CronSchedule | string {
  const duration = text.slice('@every '.length)
  const number = String.raw`(?:\d+\.?\d*|\.\d+)`
  const [units, sign] = [Object.keys(unitMs).join('|'), duration.startsWith('-') ? -1 : 1]
  if (!new RegExp(`^[-+]?(?:0|(?:${number}(?:${units}))+)$`).test(duration))
    return `failed to parse duration ${text}: time: invalid duration "${duration}"`
  let ms = 0
  for (const [, amount, unit = ''] of duration.matchAll(new RegExp(`(${number})(${units})`, 'g')))
    ms += Number(amount) * (unitMs[unit] ?? 0)
  return { everyMs: Math.max(1, Math.floor((sign * ms) / 1000)) * 1000 }
}

function fieldOf(text: string, field: Bounds): CronField | string {
  const values = new Set<number>()
  let isAny = false
  for (const part of text.split(',')) {
    const range = rangeOf(part, field)
    if (typeof range === 'string') return range
    for (let value = range.start; value <= range.end; value += range.step) values.add(value)
    isAny ||= range.isAny
  }
  return { values, isAny }
}

interface Range {
  readonly start: number
  readonly end: number
  readonly step: number
  readonly isAny: boolean
}

function rangeOf(part: string, field: Bounds): Range | string {
  const [range = '', stepText, ...moreSteps] = part.split('/')
  const [low = '', high, ...moreHyphens] = range.split('-')
  const isStar = low === '*' || low === '?'
  let [start, end] = [field.min, field.max]
  if (!isStar) {
    const first = numberOf(low, field)
    if (typeof first === 'string') return first
    start = first
    if (moreHyphens.length > 0) return `too many hyphens: ${part}`
    const last = high === undefined ? first : numberOf(high, field)
    if (typeof last === 'string') return last
    end = high === undefined && stepText !== undefined ? field.max : last
  }
  if (moreSteps.length > 0) return `too many slashes: ${part}`
  const step = stepText === undefined ? 1 : numberOf(stepText, { ...field, names: [] })
  if (typeof step === 'string') return step
  if (start < field.min) return `beginning of range (${start}) below minimum (${field.min}): ${part}`
  if (end > field.max) return `end of range (${end}) above maximum (${field.max}): ${part}`
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${part}`
  if (step === 0) return `step of range should be a positive number: ${part}`
  return { start, end, step, isAny: isStar && step === 1 }
}

// The number, or why there is none.
function numberOf(text: string, { names, min }: Bounds): number | string {
  const named = names.indexOf(text.toLowerCase())
  if (named >= 0) return named + min
  return /^\+?\d+$/.test(text)
    ? Number(text)
    : `failed to parse int from ${text}: strconv.Atoi: parsing "${text}": invalid syntax`
}
