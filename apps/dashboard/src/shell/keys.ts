import { useEffect, useRef } from 'react'

/** What each key does, for the sheet that `?` opens. */
export const keySheet: readonly (readonly [keys: string, meaning: string])[] = [
  ['j k  ↓ ↑', 'Next and previous row'],
  ['g G', 'First and last row'],
  ['PgDn PgUp', 'A page of rows down and up'],
  ['Enter', 'Open the selected object'],
  ['y', 'Open the YAML: of the selected row, or of the object on the screen'],
  ['e', 'Open the events, likewise'],
  ['/', 'Go to the filter'],
  ['w', 'Show or hide the wide columns'],
  ['n', 'Choose namespaces'],
  ['Esc', 'Leave the filter; clear the selection, then the filter; from an object back to its table'],
  ['?', 'This sheet'],
]

/** Calls the handler with every key that is meant for the page: not typed into a field, not a browser's shortcut, no dialog open. */
export function usePageKeys(handler: (event: KeyboardEvent) => void): void {
  const latest = useRef(handler)
  useEffect(() => {
    latest.current = handler
  })
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isForElement(event)) return
      latest.current(event)
    }
    document.addEventListener('keydown', listen)
    return () => document.removeEventListener('keydown', listen)
  }, [])
}

function isForElement(event: KeyboardEvent): boolean {
  const target = event.target as Element
  if (document.querySelector('dialog[open]') !== null) return true
  if (target.closest('input, textarea, select, details[open], [contenteditable=true]') !== null) return true
  // Enter on a focused link or button is that element's own.
  return event.key === 'Enter' && target.closest('a, button, summary') !== null
}
