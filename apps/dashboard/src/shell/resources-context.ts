import { createContext, useContext } from 'react'
import type { ApiResource } from '../live/queries.ts'

/** What the API serves, in discovery order; the shell provides it. */
export const ResourcesContext = createContext<readonly ApiResource[]>([])

/** What the API serves, in discovery order. */
export function useResources(): readonly ApiResource[] {
  return useContext(ResourcesContext)
}
