import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { formatTime, type ObjectKey, parseTime, StatusError, type ObjectMeta } from '@binnacle/apimachinery'
import type { Secret } from '@binnacle/resources'
import type { Store } from '@binnacle/store'
import type { UserInfo } from '../api-server.ts'
import { StaticTokens } from './static-tokens.ts'

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
  /** PEM private key (RSA, or EC on P-256) that signs ServiceAccount tokens; the public half verifies them. */
  readonly serviceAccountKey?: string | undefined
  /** Who issues the tokens, and their audience unless another is asked for. */
  readonly issuer: string
  /** Told when the token of a Secret is used on a day (`2026-01-31`) that the Secret does not say yet; for the label that says it. */
  readonly onSecretTokenUse?: (secret: ObjectKey, day: string) => void
  readonly nowMs?: () => number
}

/** The objects that a token is bound to: it ends when one of them does. */
export interface BoundReferences {
  readonly pod?: Reference
  readonly secret?: Reference
  readonly node?: Reference
}

interface Reference {
  readonly name: string
  readonly uid?: string
}

/** What a ServiceAccount's token says. */
export interface TokenSubject {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly audiences: readonly string[]
  readonly nowSeconds: number
  readonly expirationSeconds: number
  readonly bound: BoundReferences
  /** From when on (seconds since 1970) the use of the token is worth a warning. */
  readonly warnAfterSeconds?: number
}

/** A token that holds: its user, and which of the audiences asked for it is meant for. */
export interface VerifiedToken {
  readonly user: UserInfo
  readonly audiences: readonly string[]
}

interface KubernetesClaims extends BoundReferences {
  readonly namespace?: string
  readonly serviceaccount?: Reference
  readonly warnafter?: number
}

/** Who issues the tokens that Secrets hold. */
const legacyIssuer = 'kubernetes/serviceaccount'
/** A Secret with this label holds a token that nobody used for long: it no longer counts. */
const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since'
/** Says on which day the token was used last. */
export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used'

/** A signature that was checked is not checked again; this many are remembered. */
const verifiedTokensMax = 10_000
/** Deleted objects' tokens hold this much longer, so that a terminating pod can still say goodbye (`claims.go`). */
const deletedLeewayMs = 60_000

/** Tells who makes a request, by client certificate, static token or ServiceAccount token. */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #staticTokens: StaticTokens | undefined
  readonly #privateKey: KeyObject | undefined
  readonly #publicKey: KeyObject | undefined
  readonly #algorithm: string
  readonly #keyID: string
  readonly #verified = new Map<string, JWTPayload>()

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#staticTokens = options.tokenFile === undefined ? undefined : new StaticTokens(options.tokenFile)
    this.#privateKey = options.serviceAccountKey === undefined ? undefined : createPrivateKey(options.serviceAccountKey)
    this.#publicKey = this.#privateKey === undefined ? undefined : createPublicKey(this.#privateKey)
    this.#algorithm = this.#privateKey?.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256'
    const der = this.#publicKey?.export({ type: 'spki', format: 'der' })
    this.#keyID = der === undefined ? '' : createHash('sha256').update(der).digest('base64url')
  }

  /** The audience of tokens for this API. */
  get audience(): string {
    return this.#options.issuer
  }

  /**
   * The user behind the credentials.
   * @throws StatusError Unauthorized when there are none, or none that hold.
   */
  async authenticate({ clientCertificate, bearerToken }: Credentials): Promise<UserInfo> {
    if (clientCertificate !== undefined && clientCertificate.commonName !== '') {
      return authenticated({ name: clientCertificate.commonName, groups: clientCertificate.organizations })
    }
    const verified = bearerToken ? await this.verifyToken(bearerToken) : 'no credentials'
    if (typeof verified === 'string') throw new StatusError('Unauthorized', 'Unauthorized')
    return verified.user
  }

  /** The user of a bearer token and the audiences it is good for, or a text that says why it is not. */
  async verifyToken(token: string, audiences: readonly string[] = [this.audience]): Promise<VerifiedToken | string> {
    const user = this.#staticTokens?.find(token)
    if (user === undefined) return await this.#verifyServiceAccountToken(token, audiences)
    // A static token knows of no audience: it is meant for this API.
    return audiences.includes(this.audience)
      ? { user: authenticated(user), audiences: [this.audience] }
      : 'invalid bearer token'
  }

  async #verifyServiceAccountToken(token: string, audiences: readonly string[]): Promise<VerifiedToken | string> {
    const payload = this.#verified.get(token) ?? (await this.#checkSignature(token))
    if (payload === undefined) return 'invalid bearer token'
    if (payload.iss === legacyIssuer) return this.#verifyLegacyToken(token, payload, audiences)
    const nowSeconds = this.#nowMs() / 1000
    if ((payload.exp ?? 0) <= nowSeconds) return '[invalid bearer token, service account token has expired]'
    if ((payload.nbf ?? 0) > nowSeconds + 1) return '[invalid bearer token, service account token is not valid yet]'
    const own = [payload.aud ?? []].flat()
    const common = audiences.filter((audience) => own.includes(audience))
    if (common.length === 0) {
      return `[invalid bearer token, token audiences ${JSON.stringify(own)} is invalid for the target audiences ${JSON.stringify(audiences)}]`
    }
    const user = this.#boundUser(payload)
    return user === undefined
      ? '[invalid bearer token, service account token has been invalidated]'
      : { user, audiences: common }
  }

  // The token of a Secret holds for as long as the Secret has it (`serviceaccount/legacy.go`), and for this API only.
  #verifyLegacyToken(token: string, payload: JWTPayload, audiences: readonly string[]): VerifiedToken | string {
    const claim = (name: string): string => String(payload[`kubernetes.io/serviceaccount/${name}`] ?? '')
    const invalidated = '[invalid bearer token, service account token has been invalidated]'
    const namespace = claim('namespace')
    const account = { name: claim('service-account.name'), uid: claim('service-account.uid') }
    if (!audiences.includes(this.audience)) return 'invalid bearer token'
    const stored = this.#options.store.get({ resource: 'secrets', namespace, name: claim('secret.name') })
    const secret = stored?.parse() as Secret | undefined
    if (secret === undefined || secret.metadata.deletionTimestamp !== undefined) return invalidated
    if (Buffer.from(secret.data?.['token'] ?? '', 'base64').toString() !== token) return invalidated
    if (secret.metadata.labels?.[invalidSinceLabel] !== undefined) return invalidated
    if (!this.#exists('serviceaccounts', namespace, account)) return invalidated
    const day = formatTime(this.#nowMs()).slice(0, 10)
    if (secret.metadata.labels?.[lastUsedLabel] !== day)
      this.#options.onSecretTokenUse?.({ namespace, name: claim('secret.name') }, day)
    return { user: accountUser(namespace, account, {}), audiences: [this.audience] }
  }

  async #checkSignature(token: string): Promise<JWTPayload | undefined> {
    if (this.#publicKey === undefined || token.split('.').length !== 3) return undefined
    try {
      // Time is checked at each use, here only form, signature and issuer.
      const { payload } = await jwtVerify(token, this.#publicKey, {
        issuer: [this.#options.issuer, legacyIssuer],
        algorithms: [this.#algorithm],
        currentDate: new Date(this.#nowMs()),
        clockTolerance: Number.MAX_SAFE_INTEGER / 1e6,
      })
      if (this.#verified.size >= verifiedTokensMax) this.#verified.delete(this.#verified.keys().next().value as string)
      this.#verified.set(token, payload)
      return payload
    } catch {
      return undefined
    }
  }

  #boundUser(payload: JWTPayload): UserInfo | undefined {
    const { namespace = '', serviceaccount, pod, secret, node } = (payload['kubernetes.io'] ?? {}) as KubernetesClaims
    if (serviceaccount === undefined || namespace === '') return undefined
    if (!this.#exists('serviceaccounts', namespace, serviceaccount)) return undefined
    if (pod !== undefined && !this.#exists('pods', namespace, pod)) return undefined
    if (secret !== undefined && !this.#exists('secrets', namespace, secret)) return undefined
    // A pod's node is only told, not checked: the pod goes with it.
    if (node !== undefined && pod === undefined && !this.#exists('nodes', '', node)) return undefined
    const extra = {
      ...(payload.jti === undefined ? {} : { 'authentication.kubernetes.io/credential-id': [`JTI=${payload.jti}`] }),
      ...referenceExtra('pod', pod),
      ...referenceExtra('node', node),
    }
    return accountUser(namespace, serviceaccount, extra)
  }

  #exists(resource: string, namespace: string, { name, uid }: Reference): boolean {
    const object = this.#options.store.get({ resource, namespace, name })
    if (object === undefined || object.uid !== uid) return false
    const { deletionTimestamp } = (object.parse() as { metadata: ObjectMeta }).metadata
    return deletionTimestamp === undefined || parseTime(deletionTimestamp) + deletedLeewayMs > this.#nowMs()
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? Date.now()
  }

  /** Signs a ServiceAccount token. @throws StatusError InternalError when the server has no key */
  async sign(subject: TokenSubject): Promise<string> {
    if (this.#privateKey === undefined) {
      throw new StatusError('InternalError', 'this server has no key to sign ServiceAccount tokens with')
    }
    const { namespace, name, uid, audiences, nowSeconds, bound, warnAfterSeconds } = subject
    const claims: KubernetesClaims = {
      namespace,
      ...bound,
      serviceaccount: { name, uid },
      ...(warnAfterSeconds === undefined ? {} : { warnafter: warnAfterSeconds }),
    }
    return await new SignJWT({ 'kubernetes.io': { ...claims } })
      .setProtectedHeader({ alg: this.#algorithm, kid: this.#keyID })
      .setIssuer(this.#options.issuer)
      .setSubject(`system:serviceaccount:${namespace}:${name}`)
      .setAudience([...audiences])
      .setIssuedAt(nowSeconds)
      .setNotBefore(nowSeconds)
      .setExpirationTime(nowSeconds + subject.expirationSeconds)
      .setJti(randomUUID())
      .sign(this.#privateKey)
  }
}

function accountUser(namespace: string, { name, uid }: Reference, extra: Readonly<Record<string, string[]>>): UserInfo {
  return authenticated({
    name: `system:serviceaccount:${namespace}:${name}`,
    ...(uid === undefined ? {} : { uid }),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  })
}

function referenceExtra(kind: string, reference: Reference | undefined): Record<string, string[]> {
  if (reference === undefined) return {}
  return {
    [`authentication.kubernetes.io/${kind}-name`]: [reference.name],
    ...(reference.uid === undefined ? {} : { [`authentication.kubernetes.io/${kind}-uid`]: [reference.uid] }),
  }
}

function authenticated(user: UserInfo): UserInfo {
  return { ...user, groups: [...user.groups, 'system:authenticated'] }
}
