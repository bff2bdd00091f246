import { badRequest, type ObjectKey } from '@binnacle/apimachinery'
import type { Revision } from '@binnacle/store'

/** Where a list goes on: at this revision, after this key. `revision` -1: at the present state (after a snapshot has expired). */
export interface ContinueToken {
  readonly revision: Revision
  readonly after: ObjectKey
}

/** Encodes a token; opaque to clients. */
export function encodeContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'binnacle/v1', rv: revision, ns: after.namespace, n: after.name })).toString(
    'base64url',
  )
}

/** Decodes a token. @throws StatusError BadRequest */
export function decodeContinue(text: string): ContinueToken {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as {
      v?: string
      rv?: unknown
      ns?: unknown
      n?: unknown
    }
    if (
      token.v === 'binnacle/v1' &&
      typeof token.rv === 'number' &&
      typeof token.ns === 'string' &&
      typeof token.n === 'string'
    ) {
      return { revision: token.rv, after: { namespace: token.ns, name: token.n } }
    }
  } catch {
    // Said below.
  }
  throw badRequest('continue key is not valid: invalid character in the continue token')
}
