'use client'

import { useMemo, useSyncExternalStore } from 'react'
import { useLiveRows } from '../live/live-rows.ts'
import { useResources } from './shell'
import { useNamespaces } from './url-state.ts'

const none: readonly string[] = []

/** Chooses the namespaces of every table, live: a new namespace appears at once. */
export function NamespacePicker() {
  const resources = useResources()
  const resource = resources.find((candidate) => candidate.group === '' && candidate.plural === 'namespaces')
  const selection = useMemo(
    () => (resource === undefined ? undefined : { resource, namespaces: none, labelSelector: '' }),
    [resource],
  )
  const { store } = useLiveRows(selection)
  const rows = useSyncExternalStore(store.subscribe, store.visible, store.visible)
  const [chosen, setChosen] = useNamespaces()
  const toggle = (name: string): void =>
    void setChosen(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name])
  return (
    <details className="relative">
      <summary className="cursor-pointer list-none rounded border border-line px-2 py-1">
        Namespace: {chosen.length === 0 ? 'all' : chosen.join(', ')} ▾
      </summary>
      <fieldset className="absolute z-20 mt-1 max-h-96 min-w-56 overflow-y-auto rounded border border-line bg-ground p-2 shadow-lg">
        <legend className="sr-only">Namespaces</legend>
        <label className="flex gap-2 px-1 py-0.5">
          <input type="checkbox" checked={chosen.length === 0} onChange={() => void setChosen([])} /> all
        </label>
        {rows.map((row) => (
          <label key={row.uid} className="flex gap-2 px-1 py-0.5">
            <input type="checkbox" checked={chosen.includes(row.name)} onChange={() => toggle(row.name)} /> {row.name}
          </label>
        ))}
      </fieldset>
    </details>
  )
}
