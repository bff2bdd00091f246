import { semanticEqual } from '@binnacle/apimachinery'
import type { Secret, ServiceAccount } from '@binnacle/resources'
import type { LegacyTokenSigner } from './legacy-token.ts'

/** The type of Secrets that hold a token. */
export const tokenSecretType = 'kubernetes.io/service-account-token'
const nameAnnotation = 'kubernetes.io/service-account.name'
const uidAnnotation = 'kubernetes.io/service-account.uid'

/** The name of the account that a token Secret is for; undefined for any other Secret. */
export function accountNameOf(secret: Secret): string | undefined {
  return secret.type === tokenSecretType ? secret.metadata.annotations?.[nameAnnotation] : undefined
}

/** True when the Secret is for this account, not for an earlier one of the same name. */
export function isFor(secret: Secret, account: ServiceAccount): boolean {
  const uid = secret.metadata.annotations?.[uidAnnotation]
  return accountNameOf(secret) === account.metadata.name && (!uid || uid === account.metadata.uid)
}

/** The Secret with all that a token Secret holds; undefined when it is complete. What it has stays, but for another cluster's authority. */
export function completed(
  secret: Secret,
  account: ServiceAccount,
  rootCa: string | undefined,
  sign: LegacyTokenSigner,
): Secret | undefined {
  const { namespace = '', name } = secret.metadata
  const { name: accountName, uid: accountUID = '' } = account.metadata
  const data = { ...secret.data }
  if (rootCa !== undefined) data['ca.crt'] = base64(rootCa)
  data['namespace'] ||= base64(namespace)
  data['token'] ||= base64(sign({ namespace, secretName: name, accountName, accountUID }))
  const annotations = { ...secret.metadata.annotations, [nameAnnotation]: accountName, [uidAnnotation]: accountUID }
  if (semanticEqual(data, secret.data) && semanticEqual(annotations, secret.metadata.annotations)) return undefined
  return { ...secret, metadata: { ...secret.metadata, annotations }, data }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
