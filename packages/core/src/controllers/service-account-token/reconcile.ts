import { formatKey, isConflict, isNotFound, keyOf, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import {
  type ResourceDefinition,
  type Secret,
  secrets,
  type ServiceAccount,
  serviceAccounts,
} from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import type { LegacyTokenSigner } from './legacy-token.ts'
import { accountNameOf, completed, isFor } from './plan.ts'

const indexName = 'account'

interface Environment {
  readonly sign: LegacyTokenSigner
  readonly rootCa: string | undefined
  /** The accounts of token Secrets, by the Secrets' keys: whose references go when the Secret has gone. */
  readonly accounts: Map<string, string>
}

/**
 * Fills Secrets of the type service-account-token with a token, and takes them away with their account (`tokens_controller.go`). Nobody has to use
 * them: pods get tokens of their own, which end.
 */
export function serviceAccountTokenController(sign: LegacyTokenSigner, rootCa: string | undefined): Controller {
  const environment: Environment = { sign, rootCa, accounts: new Map() }
  return {
    name: 'serviceaccount-token',
    reconciles: secrets,
    watches: [{ resource: serviceAccounts, keysOf: secretsOf }],
    prepare(context) {
      context.informer(secrets).addIndex(indexName, (secret) => {
        const account = accountNameOf(secret)
        return account === undefined ? [] : [`${secret.metadata.namespace}/${account}`]
      })
      context.informer(secrets).addHandler({
        onAdd(secret) {
          const account = accountNameOf(secret)
          if (account !== undefined) environment.accounts.set(formatKey(keyOf(secret)), account)
        },
      })
    },
    reconcile: (key, context) => reconcile(key, context, environment),
  }
}

function secretsOf(account: ServiceAccount, context: ReconcileContext): ObjectKey[] {
  return context
    .informer(secrets)
    .byIndex(indexName, formatKey(keyOf(account)))
    .map(keyOf)
}

async function reconcile(key: ObjectKey, context: ReconcileContext, environment: Environment): Promise<Result> {
  // Observe.
  const secret = context.informer(secrets).get(key)
  if (secret === undefined) {
    await removeReference(key, context, environment)
    return done
  }
  const name = accountNameOf(secret)
  if (name === undefined || secret.metadata.deletionTimestamp !== undefined) return done
  const account = await accountOf(secret, { namespace: key.namespace, name }, context)

  // Act.
  if (account === undefined) await deleteSecret(secret, context)
  else {
    const wanted = completed(secret, account, environment.rootCa, environment.sign)
    if (wanted !== undefined) await context.client.update(secrets, wanted).catch(ignoreGone)
  }
  return done
}

// Asked of the server where the cache has no such account: it may only be late, and deleting cannot be undone.
async function accountOf(
  secret: Secret,
  key: ObjectKey,
  context: ReconcileContext,
): Promise<ServiceAccount | undefined> {
  const cached = context.informer(serviceAccounts).get(key)
  if (cached !== undefined && isFor(secret, cached)) return cached
  const fresh = await fetch(serviceAccounts, key, context)
  return fresh !== undefined && isFor(secret, fresh) ? fresh : undefined
}

async function fetch<T extends KubernetesObject>(
  resource: ResourceDefinition<T>,
  key: ObjectKey,
  { client }: ReconcileContext,
): Promise<T | undefined> {
  return await client.get(resource, key).catch(ignoreGone)
}

async function deleteSecret({ metadata }: Secret, { client }: ReconcileContext): Promise<void> {
  const { namespace = '', name, uid = '', resourceVersion = '' } = metadata
  const preconditions = { uid, resourceVersion }
  await client.delete(secrets, { namespace, name }, { preconditions }).catch((error: unknown) => {
    if (!isConflict(error)) ignoreGone(error)
  })
}

async function removeReference(key: ObjectKey, context: ReconcileContext, { accounts }: Environment): Promise<void> {
  const name = accounts.get(formatKey(key))
  if (name === undefined) return
  const account = await fetch(serviceAccounts, { namespace: key.namespace, name }, context)
  const references = account?.secrets ?? []
  const isNamed = references.some((reference) => reference.name === key.name)
  // It may have been made again meanwhile.
  if (account !== undefined && isNamed && (await fetch(secrets, key, context)) === undefined) {
    const kept = references.filter((reference) => reference.name !== key.name)
    const { secrets: _secrets, ...rest } = account
    await context.client
      .update(serviceAccounts, kept.length === 0 ? rest : { ...rest, secrets: kept })
      .catch(ignoreGone)
  }
  accounts.delete(formatKey(key))
}

function ignoreGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}
