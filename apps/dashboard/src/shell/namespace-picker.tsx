'use client'

import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { useLiveRows } from '../live/live-rows.ts'
import { usePageKeys } from './keys.ts'
import { useResources } from './resources-context.ts'
import { useNamespaces } from './url-state.ts'

const none: readonly string[] = []
const namedMax = 2

/** Chooses the namespaces of every table, live: a new namespace appears at once. */
export function NamespacePicker() {
  const menu = useRef<HTMLDetailsElement>(null)
  const search = useRef<HTMLInputElement>(null)
  const [chosen] = useNamespaces()
  const [open, setOpen] = useState(false)
  useCloseOutside(menu)
  usePageKeys((event) => {
    if (event.key !== 'n' || menu.current === null) return
    event.preventDefault()
    menu.current.open = true
  })
  const close = (): void => {
    if (menu.current !== null) menu.current.open = false
    menu.current?.querySelector('summary')?.focus()
  }
  return (
    <details
      ref={menu}
      className="relative"
      onToggle={(event) => {
        setOpen(event.currentTarget.open)
        if (event.currentTarget.open) search.current?.focus()
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close()
      }}
    >
      <summary
        className="button max-w-72 list-none truncate [&::-webkit-details-marker]:hidden"
        title={chosen.length === 0 ? 'Every namespace (n)' : chosen.join(', ')}
      >
        <span className="text-faint max-sm:sr-only">Namespace </span>
        {summaryOf(chosen)} <span aria-hidden>▾</span>
      </summary>
      {/* Absent while closed: the list is as long as the cluster has namespaces. */}
      <div className="absolute z-40 mt-1 w-72 max-w-[calc(100vw-2rem)] rounded border border-line bg-ground shadow-lg">
        <Choices search={search} active={open} />
      </div>
    </details>
  )
}

function summaryOf(chosen: readonly string[]): string {
  if (chosen.length === 0) return 'all'
  const named = chosen.slice(0, namedMax).join(', ')
  return chosen.length > namedMax ? `${named} and ${chosen.length - namedMax} more` : named
}

function Choices({ search, active }: { search: React.RefObject<HTMLInputElement | null>; active: boolean }) {
  const resource = useResources().find((candidate) => candidate.group === '' && candidate.plural === 'namespaces')
  const selection = useMemo(
    () => (resource === undefined || !active ? undefined : { resource, namespaces: none, labelSelector: '' }),
    [resource, active],
  )
  const { store } = useLiveRows(selection)
  const rows = useSyncExternalStore(store.subscribe, store.visible, store.visible)
  const [chosen, setChosen] = useNamespaces()
  const [text, setText] = useState('')
  const toggle = (name: string): void =>
    void setChosen(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name])
  const existing = rows.map((row) => row.name)
  // One that is gone stays on the list while it is chosen, or nobody could take it off.
  const gone = active && existing.length > 0 ? chosen.filter((name) => !existing.includes(name)) : []
  const shown = [...gone, ...existing].filter((name) => name.includes(text.trim().toLowerCase()))
  return (
    <fieldset>
      <legend className="sr-only">Namespaces</legend>
      <div className="border-b border-line p-2">
        <input
          ref={search}
          type="search"
          aria-label="Find a namespace"
          placeholder="Find"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            // Enter takes the only one that is left, as in any list that one types into.
            if (event.key === 'Enter' && shown.length === 1) toggle(shown[0] as string)
          }}
          className="field w-full"
        />
      </div>
      <div className="max-h-80 overflow-y-auto p-1">
        <Choice name="all" checked={chosen.length === 0} onChange={() => void setChosen([])} />
        {shown.map((name) => (
          <Choice
            key={name}
            name={name}
            note={gone.includes(name) ? 'does not exist' : ''}
            checked={chosen.includes(name)}
            onChange={() => toggle(name)}
          />
        ))}
      </div>
    </fieldset>
  )
}

function Choice({
  name,
  note = '',
  checked,
  onChange,
}: {
  name: string
  note?: string
  checked: boolean
  onChange: () => void
}) {
  return (
    <label className="flex cursor-pointer items-center gap-2 rounded px-2 py-1 hover:bg-panel">
      <input type="checkbox" checked={checked} onChange={onChange} />
      <span className="truncate">{name}</span>
      {note === '' ? null : <span className="text-warn">{note}</span>}
    </label>
  )
}

function useCloseOutside(menu: React.RefObject<HTMLDetailsElement | null>): void {
  useEffect(() => {
    const close = (event: Event): void => {
      if (menu.current !== null && !menu.current.contains(event.target as Node)) menu.current.open = false
    }
    document.addEventListener('pointerdown', close)
    return () => document.removeEventListener('pointerdown', close)
  }, [menu])
}
