import { createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { jwtVerify, SignJWT } from 'jose'
import { StatusError } from '@binnacle/apimachinery'
import type { Store } from '@binnacle/store'
import type { UserInfo } from '../api-server.ts'

/** What a request shows of who makes it. */
export interface Credentials {
  readonly bearerToken?: string | undefined
  /** The verified client certificate's subject: CN is the user, each O a group. */
  readonly clientCertificate?: { readonly commonName: string; readonly organizations: readonly string[] } | undefined
}

/** How to recognise people and programs. */
export interface AuthenticatorOptions {
  readonly store: Pick<Store, 'get'>
  /** Static tokens, as kube-apiserver's --token-auth-file: `token,user,uid,"group1,group2"`. Read again when it changes. */
  readonly tokenFile?: string | undefined
  /** PEM private key that signs ServiceAccount tokens; the public half verifies them. */
  readonly serviceAccountKey?: string | undefined
  readonly issuer: string
}

/** What a ServiceAccount's token is asked for. */
export interface TokenRequestSpec {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly audiences: readonly string[]
  readonly expirationSeconds: number
  readonly bound?: { readonly kind: string; readonly name: string; readonly uid: string } | undefined
}

interface KubernetesClaims {
  namespace?: string
  serviceaccount?: { name?: string; uid?: string }
  pod?: { name?: string; uid?: string }
  secret?: { name?: string; uid?: string }
}

/** Tells who makes a request, by client certificate, static token or ServiceAccount token. */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #privateKey: KeyObject | undefined
  readonly #publicKey: KeyObject | undefined
  readonly #algorithm: string
  #tokens = new Map<string, UserInfo>()
  #tokensReadAtMs = 0

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#privateKey = options.serviceAccountKey === undefined ? undefined : createPrivateKey(options.serviceAccountKey)
    this.#publicKey = this.#privateKey === undefined ? undefined : createPublicKey(this.#privateKey)
    this.#algorithm = this.#privateKey?.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256'
  }

  /** The audience of tokens for this API. */
  get audience(): string {
    return this.#options.issuer
  }

  /**
   * The user behind the credentials.
   * @throws StatusError Unauthorized when there are none, or none that hold.
   */
  async authenticate(credentials: Credentials): Promise<UserInfo> {
    const { clientCertificate, bearerToken } = credentials
    if (clientCertificate !== undefined && clientCertificate.commonName !== '')
      return authenticated({ name: clientCertificate.commonName, groups: clientCertificate.organizations })
    if (bearerToken !== undefined) {
      const user = this.#staticUser(bearerToken) ?? (await this.serviceAccountUser(bearerToken))
      if (user !== undefined) return user
    }
    throw new StatusError('Unauthorized', 'Unauthorized')
  }

  #staticUser(token: string): UserInfo | undefined {
    const { tokenFile } = this.#options
    if (tokenFile === undefined) return undefined
    const changedAtMs = statSync(tokenFile).mtimeMs
    if (changedAtMs !== this.#tokensReadAtMs) {
      this.#tokens = parseTokenFile(readFileSync(tokenFile, 'utf8'))
      this.#tokensReadAtMs = changedAtMs
    }
    return this.#tokens.get(token)
  }

  /** The user of a ServiceAccount token that is valid now: signed by us, not expired, and what it is bound to still exists. */
  async serviceAccountUser(
    token: string,
    audiences: readonly string[] = [this.audience],
  ): Promise<UserInfo | undefined> {
    if (this.#publicKey === undefined || token.split('.').length !== 3) return undefined
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        issuer: this.#options.issuer,
        audience: [...audiences],
        algorithms: [this.#algorithm],
      })
      return this.#boundUser(payload['kubernetes.io'] as KubernetesClaims | undefined)
    } catch {
      return undefined
    }
  }

  #boundUser(claims: KubernetesClaims | undefined): UserInfo | undefined {
    const { namespace = '', serviceaccount = {}, pod, secret } = claims ?? {}
    const holds = (resource: string, reference: { name?: string; uid?: string } | undefined): boolean => {
      if (reference === undefined) return true
      const object = this.#options.store.get({ resource, namespace, name: reference.name ?? '' })
      return object !== undefined && object.uid === reference.uid
    }
    if (!holds('serviceaccounts', serviceaccount) || !holds('pods', pod) || !holds('secrets', secret)) return undefined
    return authenticated({
      name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
      uid: serviceaccount.uid ?? '',
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      ...(pod === undefined
        ? {}
        : {
            extra: {
              'authentication.kubernetes.io/pod-name': [pod.name ?? ''],
              'authentication.kubernetes.io/pod-uid': [pod.uid ?? ''],
            },
          }),
    })
  }

  /** Signs a ServiceAccount token. @throws StatusError when the server has no key. */
  async sign(request: TokenRequestSpec): Promise<{ token: string; expiresAtMs: number }> {
    if (this.#privateKey === undefined)
      throw new StatusError('InternalError', 'this server has no key to sign ServiceAccount tokens with')
    const { namespace, name, uid, bound } = request
    const nowSeconds = Math.floor(Date.now() / 1000)
    const claims: KubernetesClaims = {
      namespace,
      serviceaccount: { name, uid },
      ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
    }
    const token = await new SignJWT({ 'kubernetes.io': { ...claims } })
      .setProtectedHeader({ alg: this.#algorithm })
      .setIssuer(this.#options.issuer)
      .setSubject(`system:serviceaccount:${namespace}:${name}`)
      .setAudience(request.audiences.length === 0 ? [this.audience] : [...request.audiences])
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(nowSeconds + request.expirationSeconds)
      .setJti(randomUUID())
      .sign(this.#privateKey)
    return { token, expiresAtMs: (nowSeconds + request.expirationSeconds) * 1000 }
  }
}

function authenticated(user: UserInfo): UserInfo {
  return { ...user, groups: [...user.groups, 'system:authenticated'] }
}

function parseTokenFile(text: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>()
  for (const line of text.split('\n')) {
    const match = /^([^,]+),([^,]+),([^,]*)(?:,(?:"([^"]*)"|([^,]*)))?\s*$/.exec(line)
    if (match === null) continue
    const [, token = '', name = '', uid = '', quoted, plain] = match
    const groups = (quoted ?? plain ?? '')
      .split(',')
      .map((group) => group.trim())
      .filter((group) => group !== '')
    users.set(token, authenticated({ name, ...(uid === '' ? {} : { uid }), groups }))
  }
  return users
}
