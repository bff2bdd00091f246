import type { ApiServer, RequestContext } from '@binnacle/apiserver'

/** What resolvers are given: the request path, and for whom it is walked. */
export interface GraphqlContext {
  readonly server: ApiServer
  readonly request: RequestContext
}

/** A resolver's parent: an object of some kind in its own version, as JSON. Shared with the cache: never changed. */
export type ObjectSource = Record<string, any>
