'use client'

import { useRef } from 'react'
import { keySheet, usePageKeys } from './keys.ts'

const filterSheet: readonly (readonly [text: string, meaning: string])[] = [
  ['web', 'the text occurs in a cell, the name, the namespace or a label'],
  ['app=web', 'rows with this label'],
  ['status:pending', 'the text occurs in that column; titles without spaces (lastseen)'],
  ['!completed  !status:running', 'rows without it'],
]

/** The button `?` and the sheet of keys and filters that it and the key open. */
export function Help() {
  const dialog = useRef<HTMLDialogElement>(null)
  usePageKeys((event) => {
    if (event.key !== '?') return
    event.preventDefault()
    dialog.current?.showModal()
  })
  return (
    <>
      <button
        type="button"
        className="button"
        aria-label="Keys and filters"
        title="Keys and filters (?)"
        onClick={() => dialog.current?.showModal()}
      >
        ?
      </button>
      <dialog
        ref={dialog}
        aria-labelledby="help-title"
        className="m-auto max-w-2xl rounded-lg border border-line bg-ground p-5 text-ink shadow-xl backdrop:bg-black/40"
      >
        <div className="mb-3 flex items-baseline justify-between">
          <h2 id="help-title" className="text-base font-semibold">
            Keys and filters
          </h2>
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </div>
        <Sheet title="Keys" rows={keySheet} />
        <Sheet title="Words in the filter" rows={filterSheet} />
        <p className="text-faint">Every word must hold. The address holds all of it: a bookmark is a saved view.</p>
      </dialog>
    </>
  )
}

function Sheet({ title, rows }: { title: string; rows: readonly (readonly [string, string])[] }) {
  return (
    <section className="mb-4">
      <h3 className="mb-1 font-semibold">{title}</h3>
      <dl className="grid grid-cols-[max-content_1fr] gap-x-4 gap-y-0.5">
        {rows.map(([term, meaning]) => (
          <div key={term} className="contents">
            <dt>
              <kbd className="font-mono whitespace-pre">{term}</kbd>
            </dt>
            <dd className="text-faint">{meaning}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
