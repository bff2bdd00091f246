'use client'

import { type ReactNode, createContext, useContext, useEffect, useMemo, useState } from 'react'
import { lastHeardMs } from '../live/graphql.ts'
import type { Freshness } from '../live/live-stream.ts'

const FreshnessContext = createContext<{
  freshness: Freshness | undefined
  report: (freshness: Freshness | undefined) => void
}>({ freshness: undefined, report: () => undefined })

/** Holds the freshness of what the page shows, for the chip in the top bar. */
export function FreshnessProvider({ children }: { children: ReactNode }) {
  const [freshness, report] = useState<Freshness | undefined>()
  const value = useMemo(() => ({ freshness, report }), [freshness])
  return <FreshnessContext value={value}>{children}</FreshnessContext>
}

/** The freshness of what the page shows; undefined on a page without live data. */
export function useFreshness(): Freshness | undefined {
  return useContext(FreshnessContext).freshness
}

/** Reports a page's freshness for as long as it is on the screen. */
export function useReportFreshness(freshness: Freshness): void {
  const { report } = useContext(FreshnessContext)
  useEffect(() => report(freshness), [report, freshness])
  useEffect(() => () => report(undefined), [report])
}

const looks = {
  loading: 'border-line text-faint',
  live: 'border-line text-good',
  reconnecting: 'border-warn bg-warn-ground text-warn font-medium',
  failed: 'border-bad text-bad',
} as const

const meanings = {
  loading: 'The first state is on its way.',
  live: 'Every change is shown as it happens. The revision is that of the last one that concerns this page.',
  reconnecting: 'The connection is lost. What you see is how things were at this time; it goes on by itself.',
  failed: 'The API refused the question.',
} as const

/** Says whether the screen is live and at which revision, or from when what it shows is. */
export function FreshnessChip() {
  const freshness = useFreshness()
  if (freshness === undefined) return null
  return (
    <output
      className={`rounded border px-2 py-0.5 text-xs whitespace-nowrap tabular-nums ${looks[freshness.state]}`}
      data-state={freshness.state}
      title={freshness.error ?? meanings[freshness.state]}
    >
      <span aria-hidden>● </span>
      {chipText(freshness)}
    </output>
  )
}

function chipText({ state, resourceVersion }: Freshness): ReactNode {
  if (state === 'live')
    return (
      <>
        live<span className="max-sm:hidden">, rv {Number(resourceVersion).toLocaleString('en')}</span>
      </>
    )
  if (state !== 'reconnecting') return state
  const heard = lastHeardMs()
  if (heard === 0) return 'reconnecting'
  return `reconnecting, showing ${new Date(heard).toLocaleTimeString('en', { hour12: false })}`
}
