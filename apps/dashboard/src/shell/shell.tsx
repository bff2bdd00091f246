'use client'

import Link from 'next/link'
import { usePathname, useSearchParams } from 'next/navigation'
import { type ReactNode, createContext, useCallback, useContext, useEffect, useMemo, useState } from 'react'
import { SignedOutError, closeSocket, request } from '../live/graphql.ts'
import { type ApiResource, resourcesQuery } from '../live/queries.ts'
import { SignIn } from '../session/sign-in'
import { FreshnessChip, FreshnessProvider } from './freshness'
import { NamespacePicker } from './namespace-picker'
import { navigationFor } from './navigation.ts'
import { tablePath } from './paths.ts'

const ResourcesContext = createContext<readonly ApiResource[]>([])

/** What the API serves, in discovery order. */
export function useResources(): readonly ApiResource[] {
  return useContext(ResourcesContext)
}

type Session =
  | { state: 'asking' }
  | { state: 'signedOut' }
  | { state: 'unreachable'; message: string }
  | { state: 'signedIn'; resources: readonly ApiResource[] }

const retryMs = 2000

/** The frame around every page: it asks what the API serves, which also tells whether the person is signed in. */
export function Shell({ children }: { children: ReactNode }) {
  const [session, setSession] = useState<Session>({ state: 'asking' })
  const ask = useCallback(async () => {
    try {
      const { resources } = await request<{ resources: ApiResource[] }>(resourcesQuery)
      setSession({ state: 'signedIn', resources })
    } catch (error) {
      if (error instanceof SignedOutError) setSession({ state: 'signedOut' })
      else setSession({ state: 'unreachable', message: (error as Error).message })
    }
  }, [])
  useEffect(() => void ask(), [ask])
  useEffect(() => {
    if (session.state !== 'unreachable') return undefined
    const timer = setTimeout(() => void ask(), retryMs)
    return () => clearTimeout(timer)
  }, [session, ask])

  if (session.state === 'asking') return <Centered>Connecting …</Centered>
  if (session.state === 'unreachable')
    return <Centered>The API server cannot be reached: {session.message} Trying again …</Centered>
  if (session.state === 'signedOut') return <SignIn onSignedIn={ask} />
  return (
    <ResourcesContext value={session.resources}>
      <FreshnessProvider>
        <div className="grid h-dvh grid-cols-[14rem_1fr] grid-rows-[3rem_1fr]">
          <TopBar onSignOut={ask} />
          <Rail resources={session.resources} />
          <main className="flex min-h-0 min-w-0 flex-col">{children}</main>
        </div>
      </FreshnessProvider>
    </ResourcesContext>
  )
}

function Centered({ children }: { children: ReactNode }) {
  return (
    <main className="grid h-dvh place-items-center p-6">
      <p role="status">{children}</p>
    </main>
  )
}

function TopBar({ onSignOut }: { onSignOut: () => Promise<void> }) {
  const signOut = async (): Promise<void> => {
    await fetch('/session', { method: 'DELETE' })
    closeSocket()
    await onSignOut()
  }
  return (
    <header className="col-span-2 flex items-center gap-4 border-b border-line bg-panel px-4">
      <Link href="/" className="text-base font-semibold">
        Binnacle
      </Link>
      <NamespacePicker />
      <span className="grow" />
      <FreshnessChip />
      <button type="button" className="rounded border border-line px-2 py-1" onClick={() => void signOut()}>
        Sign out
      </button>
    </header>
  )
}

function Rail({ resources }: { resources: readonly ApiResource[] }) {
  const pathname = usePathname()
  const namespaces = useSearchParams().get('ns')
  const sections = useMemo(() => navigationFor(resources), [resources])
  const suffix = namespaces === null ? '' : `?ns=${encodeURIComponent(namespaces)}`
  return (
    <nav aria-label="Resources" className="min-h-0 overflow-y-auto border-r border-line bg-panel p-2">
      {sections.map((section) => (
        <section key={section.title} className="mb-3">
          <h2 className="px-2 text-xs font-semibold text-faint">{section.title}</h2>
          <ul>
            {section.resources.map((resource) => {
              const path = tablePath(resource)
              const current = pathname === path || pathname.startsWith(`${path}/`)
              return (
                <li key={path}>
                  <Link
                    href={`${path}${suffix}`}
                    prefetch={false}
                    aria-current={current ? 'page' : undefined}
                    className={`block truncate rounded px-2 py-0.5 hover:bg-line ${current ? 'bg-line font-medium' : ''}`}
                  >
                    {resource.kind}
                  </Link>
                </li>
              )
            })}
          </ul>
        </section>
      ))}
    </nav>
  )
}
