'use client'

import { type ReactNode, createContext, useContext, useEffect, useMemo, useState } from 'react'
import type { Freshness } from '../live/live-rows.ts'

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

/** Reports a page's freshness for as long as it is on the screen. */
export function useReportFreshness(freshness: Freshness): void {
  const { report } = useContext(FreshnessContext)
  useEffect(() => report(freshness), [report, freshness])
  useEffect(() => () => report(undefined), [report])
}

const looks = {
  loading: { text: 'loading', color: 'text-faint' },
  live: { text: 'live', color: 'text-good' },
  reconnecting: { text: 'reconnecting', color: 'text-warn' },
  failed: { text: 'failed', color: 'text-bad' },
} as const

/** Says whether the screen is live, and at which revision. */
export function FreshnessChip() {
  const { freshness } = useContext(FreshnessContext)
  if (freshness === undefined) return null
  const look = looks[freshness.state]
  return (
    <output
      className={`rounded border border-line px-2 py-0.5 text-xs tabular-nums ${look.color}`}
      title={freshness.error}
    >
      {look.text}
      {freshness.resourceVersion === '' ? '' : `, rv ${freshness.resourceVersion}`}
    </output>
  )
}
