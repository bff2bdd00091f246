import { type FieldError, invalidValue, required, valueTooLong } from '@binnacle/apimachinery'
import type { Secret } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { immutableErrors, keyErrors } from './config-map-strategy.ts'

const dataBytesMax = 1024 * 1024

// What a Secret of a type must hold.
const requiredKeys: Record<string, readonly string[]> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
}

/** Rules of Secrets. `stringData` is write-only: it is folded into `data`. */
export const secretStrategy: Strategy<Secret> = {
  applyDefaults(secret) {
    secret.type ??= 'Opaque'
    if (secret.stringData === undefined) return
    secret.data = { ...secret.data }
    for (const [key, value] of Object.entries(secret.stringData)) secret.data[key] = toBase64(value)
    delete secret.stringData
  },
  validate(secret) {
    const errors = keyErrors(secret.data, 'data')
    const bytes = Object.values(secret.data ?? {}).reduce((sum, value) => sum + (value.length * 3) / 4, 0)
    if (bytes > dataBytesMax) errors.push(valueTooLong('data', dataBytesMax))
    return [...errors, ...typeErrors(secret)]
  },
  validateUpdate(secret, old) {
    const errors = immutableErrors(secret, old, ['data'])
    if (secret.type !== old.type) errors.push(invalidValue('type', secret.type, 'field is immutable'))
    return errors
  },
}

function typeErrors(secret: Secret): FieldError[] {
  const errors = (requiredKeys[secret.type ?? ''] ?? [])
    .filter((key) => secret.data?.[key] === undefined)
    .map((key) => required(`data[${key}]`))
  if (
    secret.type === 'kubernetes.io/service-account-token' &&
    !secret.metadata.annotations?.['kubernetes.io/service-account.name']
  ) {
    errors.push(required('metadata.annotations[kubernetes.io/service-account.name]'))
  }
  if (
    secret.type === 'kubernetes.io/basic-auth' &&
    secret.data?.['username'] === undefined &&
    secret.data?.['password'] === undefined
  ) {
    errors.push(required('data[username]'), required('data[password]'))
  }
  return errors
}

function toBase64(text: string): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}
