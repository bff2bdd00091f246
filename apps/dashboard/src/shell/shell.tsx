'use client'

import Link from 'next/link'
import { usePathname, useSearchParams } from 'next/navigation'
import { type ReactNode, memo, useCallback, useEffect, useMemo, useState } from 'react'
import { SignedOutError, closeSocket, request } from '../live/graphql.ts'
import { type ApiResource, resourcesQuery } from '../live/queries.ts'
import { SignIn } from '../session/sign-in'
import { FreshnessChip, FreshnessProvider, useFreshness } from './freshness'
import { Help } from './help'
import { NamespacePicker } from './namespace-picker'
import { navigationFor } from './navigation.ts'
import { tablePath } from './paths.ts'
import { ResourcesContext } from './resources-context.ts'
import { namespaceQuery } from './url-state.ts'

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
    const answer = await askSession()
    setSession((before) => {
      // A page that is signed in keeps its screen while the API is away: the chip says how old it is.
      if (before.state === 'signedIn' && answer.state === 'unreachable') return before
      return isSame(before, answer) ? before : answer
    })
  }, [])
  useEffect(() => void ask(), [ask])
  useEffect(() => {
    if (session.state !== 'unreachable') return undefined
    const timer = setTimeout(() => void ask(), retryMs)
    return () => clearTimeout(timer)
  }, [session, ask])

  if (session.state === 'asking') return <Centered>Connecting …</Centered>
  if (session.state === 'unreachable')
    return <Centered>The API server cannot be reached. Trying again … ({session.message})</Centered>
  if (session.state === 'signedOut') return <SignIn onSignedIn={ask} />
  return (
    <ResourcesContext value={session.resources}>
      <FreshnessProvider>
        <Frame resources={session.resources} ask={ask}>
          {children}
        </Frame>
      </FreshnessProvider>
    </ResourcesContext>
  )
}

async function askSession(): Promise<Session> {
  try {
    const { resources } = await request<{ resources: ApiResource[] }>(resourcesQuery)
    return { state: 'signedIn', resources }
  } catch (error) {
    return error instanceof SignedOutError
      ? { state: 'signedOut' }
      : { state: 'unreachable', message: (error as Error).message }
  }
}

// Live tables begin anew with a new list of resources, so it is replaced only when it says something new.
function isSame(before: Session, answer: Session): boolean {
  return JSON.stringify(before) === JSON.stringify(answer)
}

function Frame({
  resources,
  ask,
  children,
}: {
  resources: readonly ApiResource[]
  ask: () => Promise<void>
  children: ReactNode
}) {
  const [railOpen, setRailOpen] = useState(false)
  const pathname = usePathname()
  const namespaces = namespaceQuery(useSearchParams().toString())
  useEffect(() => setRailOpen(false), [pathname])
  useAskAgain(ask)
  return (
    <div className="grid h-dvh grid-cols-1 grid-rows-[2.75rem_1fr] md:grid-cols-[13.5rem_1fr]">
      <header className="flex items-center gap-3 border-b border-line bg-panel px-4 md:col-span-2">
        <button
          type="button"
          className="button md:hidden"
          aria-label="Resources"
          aria-expanded={railOpen}
          aria-controls="rail"
          onClick={() => setRailOpen(!railOpen)}
        >
          ☰
        </button>
        <Link href={`/pods${namespaces}`} className="text-base font-semibold max-sm:hidden">
          Binnacle
        </Link>
        <NamespacePicker />
        <span className="grow" />
        <FreshnessChip />
        <Help />
        <SignOut onSignedOut={ask} />
      </header>
      <Rail resources={resources} pathname={pathname} query={namespaces} open={railOpen} />
      <main className="col-start-1 row-start-2 flex min-h-0 min-w-0 flex-col md:col-start-2">{children}</main>
    </div>
  )
}

// After a break the API may serve other resources, or take the token no longer; and custom resources come and go while it runs.
function useAskAgain(ask: () => Promise<void>): void {
  const state = useFreshness()?.state
  useEffect(() => {
    if (state !== 'reconnecting') return undefined
    void ask()
    const timer = setInterval(() => void ask(), retryMs)
    return () => clearInterval(timer)
  }, [state, ask])
  useEffect(() => {
    const again = (): void => {
      if (document.visibilityState === 'visible') void ask()
    }
    document.addEventListener('visibilitychange', again)
    return () => document.removeEventListener('visibilitychange', again)
  }, [ask])
}

function Centered({ children }: { children: ReactNode }) {
  return (
    <main className="grid h-dvh place-items-center p-6">
      <p role="status">{children}</p>
    </main>
  )
}

function SignOut({ onSignedOut }: { onSignedOut: () => Promise<void> }) {
  const signOut = async (): Promise<void> => {
    await fetch('/session', { method: 'DELETE' }).catch(() => undefined)
    closeSocket()
    await onSignedOut()
  }
  return (
    <button type="button" className="button whitespace-nowrap" onClick={() => void signOut()}>
      Sign out
    </button>
  )
}

// Memoised: the address changes with every key in the filter, the rail does not.
const Rail = memo(function Rail({
  resources,
  pathname,
  query,
  open,
}: {
  resources: readonly ApiResource[]
  pathname: string
  query: string
  open: boolean
}) {
  const sections = useMemo(() => navigationFor(resources), [resources])
  return (
    <nav
      id="rail"
      aria-label="Resources"
      className={`col-start-1 row-start-2 min-h-0 overflow-y-auto border-r border-line bg-panel p-2 max-md:z-30 max-md:w-64 max-md:shadow-lg ${open ? '' : 'max-md:hidden'}`}
    >
      {sections.map((section) => (
        <section key={section.title} className="mb-3">
          <h2 className="truncate px-2 text-xs font-semibold text-faint" title={section.title}>
            {section.title}
          </h2>
          <ul>
            {section.resources.map((resource) => {
              const path = tablePath(resource)
              const current = pathname === path || pathname.startsWith(`${path}/`)
              return (
                <li key={path}>
                  <Link
                    href={`${path}${query}`}
                    prefetch={false}
                    title={resource.kind}
                    aria-current={current ? 'page' : undefined}
                    className={`block truncate rounded px-2 py-px hover:bg-line ${current ? 'bg-line font-medium' : ''}`}
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
})
