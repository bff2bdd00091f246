import { setTimeout as sleep } from 'node:timers/promises'
import { StatusError } from '@binnacle/apimachinery'
import type { Log } from './log.ts'

/** First and longest pause between tries to reach the server. */
const retryMs = 500
const retryMaxMs = 10_000

/** Tries again while the server cannot be reached; an answer of the server is final. @throws the server's refusal, or the signal's reason */
export async function untilAnswered<T>(act: () => Promise<T>, log: Log, signal: AbortSignal): Promise<T> {
  for (let pauseMs = retryMs; ; pauseMs = Math.min(retryMaxMs, pauseMs * 2)) {
    try {
      return await act()
    } catch (error) {
      if (error instanceof StatusError && error.code < 500) throw error
      log('warn', 'cannot register the nodes yet', { error: String(error) })
      await sleep(pauseMs, undefined, { signal })
    }
  }
}
