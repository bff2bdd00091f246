import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NextConfig } from 'next'

const here = path.dirname(fileURLToPath(import.meta.url))

const config: NextConfig = {
  reactStrictMode: true,
  poweredByHeader: false,
  // The workspace's root: without it the bundler guesses from lock files further up.
  turbopack: { root: path.join(here, '../..') },
}

export default config
