'use client'

import { type FormEvent, useState } from 'react'
import { closeSocket } from '../live/graphql.ts'
import { useTitle } from '../shell/page-title.ts'

/** Asks for a bearer token and trades it for the session cookie. */
export function SignIn({ onSignedIn }: { onSignedIn: () => Promise<void> }) {
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  useTitle('Sign in')
  const signIn = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const token = String(new FormData(event.currentTarget).get('token') ?? '').trim()
    setBusy(true)
    const status = await fetch('/session', { method: 'PUT', body: token }).then(
      (response) => response.status,
      () => 0,
    )
    setProblem(problemOf(status))
    if (status === 204) {
      closeSocket()
      await onSignedIn()
    }
    setBusy(false)
  }
  return (
    <main className="grid h-dvh place-items-center p-6">
      {/* A form that is sent before the script runs must not put the token into the address. */}
      <form
        method="post"
        action="/session"
        onSubmit={(event) => void signIn(event)}
        className="w-full max-w-md rounded-lg border border-line bg-panel p-6"
      >
        <h1 className="mb-4 text-lg font-semibold">Sign in to Binnacle</h1>
        <label className="block">
          Token
          <input
            name="token"
            type="password"
            autoComplete="current-password"
            required
            autoFocus
            aria-invalid={problem !== ''}
            aria-describedby="token-help token-problem"
            className="field mt-1 block w-full py-1"
          />
        </label>
        <p id="token-help" className="mt-2 text-xs text-faint">
          The administrator's token is in the file <code>admin.token</code> of the data directory. For a ServiceAccount:{' '}
          <code>kubectl create token NAME</code>.
        </p>
        <p id="token-problem" role="alert" className={problem === '' ? '' : 'mt-3 text-bad'}>
          {problem}
        </p>
        <button
          type="submit"
          disabled={busy}
          className="mt-4 cursor-pointer rounded bg-accent px-3 py-1 font-medium text-ground disabled:opacity-60"
        >
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
    </main>
  )
}

function problemOf(status: number): string {
  if (status === 204) return ''
  if (status === 401) return 'The API does not accept this token.'
  if (status === 413) return 'This is too long for a token.'
  if (status === 502) return 'The API server cannot be reached. Try again in a moment.'
  return status === 0 ? 'The dashboard’s server cannot be reached.' : `The dashboard’s server answered ${status}.`
}
