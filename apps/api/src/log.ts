/** Log lines: one JSON object a line on standard error, a constant message and its values. */

/** How much a line matters, least first. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Writes one line. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/** A log that leaves out what is below a level. */
export function createLog(component: string, least: LogLevel = 'info'): Log {
  return (level, message, fields = {}) => {
    if (rank[level] < rank[least]) return
    process.stderr.write(
      `${JSON.stringify({ time: new Date().toISOString(), level, component, message, ...fields })}\n`,
    )
  }
}
