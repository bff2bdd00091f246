'use client'

import type { ReactNode } from 'react'

/** A titled list of terms and their meanings. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="grid grid-cols-1 gap-x-4 gap-y-1 sm:grid-cols-[minmax(8rem,max-content)_1fr]">{children}</dl>
}

/** One term of {@link Facts}. */
export function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="contents">
      <dt className="text-faint">{title}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </div>
  )
}

/** A part of the page, under its heading. */
export function Section({ title, note = '', children }: { title: string; note?: string; children: ReactNode }) {
  return (
    <section className="min-w-0">
      <h2 className="mb-1.5 font-semibold">
        {title} {note === '' ? null : <span className="font-normal text-faint">{note}</span>}
      </h2>
      {children}
    </section>
  )
}

/** A small table of what an object holds; scrolls sideways where the window is too narrow. */
export function PlainTable({
  label,
  titles,
  rows,
}: {
  label: string
  titles: readonly string[]
  rows: readonly (readonly ReactNode[])[]
}) {
  return (
    <div className="overflow-x-auto" role="region" aria-label={label} tabIndex={0}>
      <table className="w-full text-left">
        <thead className="text-xs text-faint">
          <tr>
            {titles.map((title) => (
              <th key={title} scope="col" className="border-b border-line py-1 pr-4 font-semibold whitespace-nowrap">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, index) => (
            <tr key={index} className="border-b border-line align-top">
              {cells.map((cell, column) => (
                <td key={titles[column]} className="py-1 pr-4">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
