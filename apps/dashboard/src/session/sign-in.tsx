'use client'

import { type FormEvent, useState } from 'react'
import { closeSocket } from '../live/graphql.ts'

/** Asks for a bearer token and trades it for the session cookie. */
export function SignIn({ onSignedIn }: { onSignedIn: () => Promise<void> }) {
  const [problem, setProblem] = useState<string | undefined>()
  const [busy, setBusy] = useState(false)
  const signIn = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const token = String(new FormData(event.currentTarget).get('token') ?? '').trim()
    setBusy(true)
    const response = await fetch('/session', { method: 'PUT', body: token }).catch(() => undefined)
    setBusy(false)
    if (response?.ok) {
      closeSocket()
      await onSignedIn()
    } else {
      setProblem(response?.status === 401 ? 'The API does not accept this token.' : 'The API server cannot be reached.')
    }
  }
  return (
    <main className="grid h-dvh place-items-center p-6">
      <form
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
            className="mt-1 block w-full rounded border border-line bg-ground px-2 py-1"
          />
        </label>
        <p className="mt-2 text-xs text-faint">
          The administrator's token is in the file admin.token of the data directory; a ServiceAccount's comes from
          kubectl create token.
        </p>
        {problem === undefined ? null : (
          <p role="alert" className="mt-3 text-bad">
            {problem}
          </p>
        )}
        <button
          type="submit"
          disabled={busy}
          className="mt-4 rounded bg-accent px-3 py-1.5 font-medium text-ground disabled:opacity-60"
        >
          Sign in
        </button>
      </form>
    </main>
  )
}
