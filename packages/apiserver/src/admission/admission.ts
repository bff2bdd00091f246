import type { KubernetesObject } from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'
import type { Store, Write } from '@binnacle/store'
import type { RequestContext } from '../api-server.ts'
import type { WriteEnvironment } from '../write-path.ts'
import { admitResize } from './claim-resize.ts'
import { protectInUse } from './in-use-protection.ts'
import { checkNamespace } from './namespace-lifecycle.ts'
import { admitPod } from './pods.ts'
import { admitClaim } from './storage-class.ts'
import type { ServiceAddresses } from './service-addresses.ts'

/** What admission needs besides the store. */
export interface Admission {
  readonly addresses: ServiceAddresses
}

/**
 * Changes and checks an object that is about to be created, as kube-apiserver's default admission plugins do. Gives the writes that must
 * happen together with it (a Service's addresses).
 */
export async function admitCreate(
  env: WriteEnvironment,
  _request: RequestContext,
  definition: ResourceDefinition,
  object: KubernetesObject,
): Promise<readonly Write[]> {
  if (definition.scope === 'Namespaced') await checkNamespace(env.store, definition, object)
  protectInUse(definition.storageName, object)
  switch (definition.storageName) {
    case 'pods':
      await admitPod(env.store, object)
      return none
    case 'persistentvolumeclaims':
      admitClaim(env.store, object)
      return none
    case 'services':
      return env.admission.addresses.assign(object, undefined)
    default:
      return none
  }
}

/** The same for an update. */
export async function admitUpdate(
  env: WriteEnvironment,
  _request: RequestContext,
  definition: ResourceDefinition,
  object: KubernetesObject,
  old: KubernetesObject,
): Promise<readonly Write[]> {
  if (definition.storageName === 'persistentvolumeclaims') admitResize(env.store, object, old)
  return definition.storageName === 'services' ? env.admission.addresses.assign(object, old) : none
}

const none: readonly Write[] = []

/** What an admission step may read. */
export type AdmissionStore = Pick<Store, 'get' | 'linearize' | 'list'>
