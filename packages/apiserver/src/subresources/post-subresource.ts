import { type KubernetesObject, type ObjectKey, type Status, StatusError } from '@binnacle/apimachinery'
import {
  type Binding,
  type Eviction,
  pods,
  type ResourceDefinition,
  serviceAccounts,
  type TokenRequest,
} from '@binnacle/resources'
import type { RequestContext, WriteRequestOptions } from '../api-server.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import type { WriteEnvironment } from '../write-path.ts'
import { createBinding } from './binding.ts'
import { evictPod } from './eviction.ts'
import { decodeSubresourceBody } from './subresource-body.ts'
import { requestToken } from './token-request.ts'

/** A POST to a subresource of an object. */
export interface SubresourcePost {
  readonly request: RequestContext
  readonly key: ObjectKey
  readonly body: unknown
  readonly options: WriteRequestOptions
}

/** Carries out a POST to pods/binding, pods/eviction or serviceaccounts/token. @throws StatusError NotFound for any other */
export async function postSubresource(
  env: WriteEnvironment,
  authenticator: Authenticator | undefined,
  definition: ResourceDefinition,
  subresource: string,
  { request, key, body, options }: SubresourcePost,
): Promise<KubernetesObject | Status> {
  const dryRun = options.dryRun === true
  const decode = <T extends KubernetesObject>(kind: 'Binding' | 'Eviction' | 'TokenRequest'): T =>
    decodeSubresourceBody<T>(request, env.registry, kind, body, options)
  switch (`${definition.storageName}/${subresource}`) {
    case `${pods.storageName}/binding`:
      return await createBinding(env, request, key, decode<Binding>('Binding'), { dryRun })
    case `${pods.storageName}/eviction`:
      return await evictPod(env, request, key, decode<Eviction>('Eviction'), { dryRun })
    case `${serviceAccounts.storageName}/token`:
      return await requestToken(env, authenticator, key, decode<TokenRequest>('TokenRequest'), { dryRun })
    default:
      throw new StatusError('NotFound', 'the server could not find the requested resource')
  }
}
