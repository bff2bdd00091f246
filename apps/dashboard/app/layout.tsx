import type { Metadata } from 'next'
import { NuqsAdapter } from 'nuqs/adapters/next/app'
import { type ReactNode, Suspense } from 'react'
import { Shell } from '../src/shell/shell'
import './globals.css'

/** What the browser's tab says. */
export const metadata: Metadata = { title: 'Binnacle', description: 'Live state of the cluster' }

/** The frame of every page: sign-in, navigation, namespaces; the page itself is inside. */
export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <NuqsAdapter>
          <Suspense>
            <Shell>{children}</Shell>
          </Suspense>
        </NuqsAdapter>
      </body>
    </html>
  )
}
