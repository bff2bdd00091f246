/** Writes one line of the process's log: a constant message and what belongs to it. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void

/** Logs as JSON lines on stderr; stdout belongs to whoever started the process. */
export const logToStderr: Log = (level, message, fields = {}) => {
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), level, component: 'node', message, ...fields })}\n`,
  )
}
