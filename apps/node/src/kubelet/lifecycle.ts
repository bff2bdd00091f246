import { setTimeout as sleep } from 'node:timers/promises'
import type { LifecycleHandler } from '@binnacle/resources'
import { act, type ActionResult, type ActionTarget } from './actions.ts'

/** Carries out a hook of a container, for at most so long. */
export async function runHook(hook: LifecycleHandler, target: ActionTarget, secondsMax: number): Promise<ActionResult> {
  const { exec, httpGet, tcpSocket, sleep: pause } = hook
  if (pause !== undefined) {
    await sleep(Math.min(pause.seconds, secondsMax) * 1000, undefined, { ref: false })
    return { isSuccess: true, message: '' }
  }
  const action = {
    ...(exec === undefined ? {} : { exec }),
    ...(httpGet === undefined ? {} : { httpGet }),
    ...(tcpSocket === undefined ? {} : { tcpSocket }),
  }
  return await act(action, target, secondsMax)
}
