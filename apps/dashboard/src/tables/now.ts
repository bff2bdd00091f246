import { useSyncExternalStore } from 'react'

const tickMs = 1000

const listeners = new Set<() => void>()
let nowMs = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

/** The time, in milliseconds since the epoch, once a second; the same for everything on the screen. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, read, read)
}

function read(): number {
  return nowMs
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  if (timer === undefined) nowMs = Date.now()
  timer ??= setInterval(() => {
    nowMs = Date.now()
    for (const each of listeners) each()
  }, tickMs)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}
