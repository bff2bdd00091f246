import type { Status } from '@binnacle/apimachinery'

/** The answer to a request that did what it asked for and has no object to show. */
export function successStatus(): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }
}
