import type { ResourceDefinition } from '@binnacle/resources'
import type { ReconcileContext, Runnable } from './controller.ts'

/** What {@link periodically} needs. */
export interface PeriodicWork {
  readonly name: string
  readonly reads: readonly ResourceDefinition<any>[]
  readonly everyMs: number
  /** Looks at everything and does what is due. What it throws is logged; the next pass tries again. */
  pass(context: ReconcileContext): Promise<void>
}

/** A control loop that time sets off, not change: it looks for what has become too old or too much. Passes never overlap. */
export function periodically({ name, reads, everyMs, pass }: PeriodicWork): Runnable {
  let timer: NodeJS.Timeout | undefined
  let current: Promise<void> = Promise.resolve()
  let stopped = false
  const run = (context: ReconcileContext): void => {
    current = pass(context)
      .catch((error: Error) => context.log('warn', 'pass failed', { error: error.message }))
      .then(() => {
        if (!stopped) timer = setTimeout(() => run(context), everyMs).unref()
      })
  }
  return {
    name,
    reads,
    async start(context) {
      stopped = false
      run(context)
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await current
    },
  }
}
