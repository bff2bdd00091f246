'use client'

import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { useEffect } from 'react'
import { findByAlias, tablePath } from './paths.ts'
import { useResources } from './resources-context.ts'

/** For a path that names no resource: leads on when kubectl would understand the word, says so otherwise. */
export function UnknownResource({ name }: { name: string }) {
  const meant = findByAlias(useResources(), name)
  const router = useRouter()
  const path = meant === undefined ? undefined : tablePath(meant)
  useEffect(() => {
    if (path !== undefined) router.replace(`${path}${window.location.search}`)
  }, [path, router])
  if (path !== undefined) return null
  return (
    <div className="p-6">
      <h1 className="text-lg font-semibold">Not found</h1>
      <p className="mt-2">
        The API serves no resource “{name}”. Paths name resources as kubectl does: <code>pods</code>,{' '}
        <code>deployments.apps</code>.
      </p>
      <p className="mt-2">
        <Link href="/pods" className="link">
          To the pods
        </Link>
      </p>
    </div>
  )
}
