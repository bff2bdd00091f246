import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'

/** Whom a token of a Secret is for. */
export interface LegacyTokenSubject {
  readonly namespace: string
  readonly secretName: string
  readonly accountName: string
  readonly accountUID: string
}

/** Makes the token of a Secret. */
export type LegacyTokenSigner = (subject: LegacyTokenSubject) => string

const prefix = 'kubernetes.io/serviceaccount'

/**
 * A signer with the key of the API server (PEM; RSA, or EC on P-256). These tokens never end: they hold for as long as their Secret does
 * (`serviceaccount/legacy.go`).
 */
export function legacyTokenSigner(pem: string): LegacyTokenSigner {
  const key = createPrivateKey(pem)
  const algorithm = key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256'
  const header = encode({ alg: algorithm, kid: keyIDOf(key) })
  return ({ namespace, secretName, accountName, accountUID }) => {
    const claims = encode({
      iss: 'kubernetes/serviceaccount',
      [`${prefix}/namespace`]: namespace,
      [`${prefix}/secret.name`]: secretName,
      [`${prefix}/service-account.name`]: accountName,
      [`${prefix}/service-account.uid`]: accountUID,
      sub: `system:serviceaccount:${namespace}:${accountName}`,
    })
    const text = `${header}.${claims}`
    return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

// As the API server names the same key.
function keyIDOf(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('base64url')
}
