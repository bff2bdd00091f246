import {
  badRequest,
  conflict,
  formatTime,
  invalid,
  invalidValue,
  type KubernetesObject,
  type ObjectKey,
  StatusError,
} from '@binnacle/apimachinery'
import {
  nodes,
  type Pod,
  pods,
  type ResourceDefinition,
  secrets,
  serviceAccounts,
  type TokenRequest,
} from '@binnacle/resources'
import type { Authenticator, BoundReferences } from '../auth/authenticate.ts'
import { currentObject } from '../optimistic-write.ts'
import { inVersion } from '../in-version.ts'
import { type WriteEnvironment } from '../write-path.ts'

const tokenRequests = { group: 'authentication.k8s.io', plural: 'tokenrequests', kind: 'TokenRequest' }
const secondsMin = 600
const secondsDefault = 3600
const secondsMax = 2 ** 32
/** The duration that pods ask for: their token lives a year, so that programs that read it once go on working, and is renewed every hour. */
const podTokenSeconds = 3607
const extendedSeconds = 365 * 24 * 3600

/**
 * POST serviceaccounts/token: issues a token of the account, bound to a pod, secret or node if asked (registry/core/serviceaccount `token.go`).
 * @throws StatusError Invalid | NotFound | Conflict | BadRequest
 */
export async function requestToken(
  env: WriteEnvironment,
  authenticator: Authenticator | undefined,
  key: ObjectKey,
  body: TokenRequest,
  { dryRun }: { readonly dryRun: boolean },
): Promise<KubernetesObject> {
  const account = await currentObject(env, serviceAccounts as ResourceDefinition, key)
  if (authenticator === undefined) throw new StatusError('InternalError', 'this server has no key to issue tokens with')
  const { audiences: wanted, expirationSeconds = secondsDefault, boundObjectRef } = body.spec ?? {}
  validate(key, body, expirationSeconds)
  const audiences = wanted === undefined || wanted.length === 0 ? [authenticator.audience] : wanted
  const bound = boundObjectRef === undefined ? {} : await boundReferences(env, key, boundObjectRef)
  const extended =
    expirationSeconds === podTokenSeconds && bound.pod !== undefined && audiences.includes(authenticator.audience)
  const nowSeconds = Math.floor(env.nowMs() / 1000)
  const token = dryRun
    ? ''
    : await authenticator.sign({
        ...key,
        uid: account.uid,
        audiences,
        nowSeconds,
        expirationSeconds: extended ? extendedSeconds : expirationSeconds,
        bound,
        ...(extended ? { warnAfterSeconds: nowSeconds + podTokenSeconds } : {}),
      })
  return {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { ...key, creationTimestamp: formatTime(env.nowMs()) },
    spec: { audiences, expirationSeconds, boundObjectRef: boundObjectRef ?? null },
    status: { token, expirationTimestamp: formatTime((nowSeconds + expirationSeconds) * 1000) },
  } as KubernetesObject
}

function validate(key: ObjectKey, { metadata }: TokenRequest, expirationSeconds: number): void {
  const errors = []
  if (metadata.name && metadata.name !== key.name) {
    errors.push(invalidValue('metadata.name', metadata.name, 'must match the service account name if specified'))
  }
  if (metadata.namespace && metadata.namespace !== key.namespace) {
    const why = 'must match the service account namespace if specified'
    errors.push(invalidValue('metadata.namespace', metadata.namespace, why))
  }
  const duration = (why: string): void => {
    errors.push(invalidValue('spec.expirationSeconds', expirationSeconds, `may not specify a duration ${why}`))
  }
  if (expirationSeconds < secondsMin) duration('less than 10 minutes')
  if (expirationSeconds > secondsMax) duration('larger than 2^32 seconds')
  if (errors.length > 0) throw invalid(tokenRequests, metadata.name ?? '', errors)
}

const bindable: Record<
  string,
  { readonly definition: ResourceDefinition<any>; readonly claim: keyof BoundReferences }
> = {
  'v1/Pod': { definition: pods, claim: 'pod' },
  'v1/Secret': { definition: secrets, claim: 'secret' },
  'v1/Node': { definition: nodes, claim: 'node' },
}

type BoundObjectRef = NonNullable<NonNullable<TokenRequest['spec']>['boundObjectRef']>

async function boundReferences(
  env: WriteEnvironment,
  account: ObjectKey,
  { apiVersion = '', kind = '', name = '', uid }: BoundObjectRef,
): Promise<BoundReferences> {
  const found = bindable[`${apiVersion || 'v1'}/${kind}`]
  if (found === undefined) {
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`)
  }
  const { definition, claim } = found
  const namespace = definition.scope === 'Cluster' ? '' : account.namespace
  const object = await currentObject(env, definition, { namespace, name })
  if (uid && uid !== object.uid) {
    throw conflict(
      { group: '', plural: kind, kind },
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  }
  const bound: BoundReferences = { [claim]: { name, uid: object.uid } }
  return claim === 'pod' ? { ...bound, ...podReferences(env, account, inVersion(pods, object) as Pod) } : bound
}

// A pod's token says which node it runs on too.
function podReferences(env: WriteEnvironment, account: ObjectKey, pod: Pod): BoundReferences {
  if ((pod.spec?.serviceAccountName ?? '') !== account.name) {
    throw badRequest(
      `cannot bind token for serviceaccount "${account.name}" to pod running with different serviceaccount name.`,
    )
  }
  const nodeName = pod.spec?.nodeName
  if (!nodeName) return {}
  const node = env.store.get({ resource: nodes.storageName, namespace: '', name: nodeName })
  return { node: { name: nodeName, ...(node === undefined ? {} : { uid: node.uid }) } }
}
