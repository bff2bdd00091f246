import type { RequestContext } from './api-server.ts'

/** What the server does for reasons of its own. */
export const ownRequest: RequestContext = {
  user: { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] },
  requestId: 'apiserver',
  userAgent: 'binnacle',
  warn: () => undefined,
}
