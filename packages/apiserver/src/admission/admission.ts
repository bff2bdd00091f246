import type { KubernetesObject } from '@binnacle/apimachinery'
import type {
  CertificateSigningRequest,
  ClusterTrustBundle,
  Ingress,
  Node,
  Pod,
  PriorityClass,
  ResourceDefinition,
} from '@binnacle/resources'
import type { Store, Write } from '@binnacle/store'
import type { RequestContext } from '../api-server.ts'
import type { WriteEnvironment } from '../write-path.ts'
import { checkAdminAccess } from './admin-access.ts'
import { admitResize } from './claim-resize.ts'
import { applyIngressClass, checkPriorityClass } from './default-classes.ts'
import { protectInUse } from './in-use-protection.ts'
import { applyContainerDefaults, checkLimitRanges } from './limit-ranger.ts'
import {
  admitCertificateRequest,
  checkAttestation,
  checkCertificateSubject,
  checkSigner,
  stampConditions,
} from './certificate-requests.ts'
import { checkNamespace } from './namespace-lifecycle.ts'
import { taintNewNode } from './node-taints.ts'
import { checkResize } from './pod-resize.ts'
import { checkPodSecurity } from './pod-security.ts'
import { admitPod, admitPodUpdate } from './pods.ts'
import { admitClaim } from './storage-class.ts'
import { checkPolicies } from './validating-policies.ts'
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
  request: RequestContext,
  definition: ResourceDefinition,
  object: KubernetesObject,
): Promise<readonly Write[]> {
  if (definition.scope === 'Namespaced') await checkNamespace(env.store, definition, object)
  protectInUse(definition.storageName, object)
  switch (definition.storageName) {
    case 'pods':
      applyContainerDefaults(env.store, object as Pod)
      await admitPod(env.store, object)
      return none
    case 'nodes':
      taintNewNode(object as Node)
      return none
    case 'persistentvolumeclaims':
      admitClaim(env.store, object)
      return none
    case 'ingresses.networking.k8s.io':
      applyIngressClass(env.store, object as Ingress)
      return none
    case 'services':
      return env.admission.addresses.assign(object, undefined)
    case certificateRequests:
      admitCertificateRequest(request, object as CertificateSigningRequest)
      return none
    default:
      return none
  }
}

/** What an update starts from. */
interface UpdateBase {
  readonly old: KubernetesObject
  readonly subresource: string | undefined
}

/** The same for an update. */
export async function admitUpdate(
  env: WriteEnvironment,
  definition: ResourceDefinition,
  object: KubernetesObject,
  { old, subresource }: UpdateBase,
): Promise<readonly Write[]> {
  if (definition.storageName === 'pods' && subresource !== 'status')
    await admitPodUpdate(env.store, object as Pod, old as Pod, subresource)
  if (definition.storageName === 'persistentvolumeclaims') admitResize(env.store, object, old)
  if (definition.storageName === certificateRequests)
    stampConditions(object as CertificateSigningRequest, old as CertificateSigningRequest, env.nowMs())
  return definition.storageName === 'services' ? env.admission.addresses.assign(object, old) : none
}

/**
 * Checks an object once it has passed the rules of its kind, as kube-apiserver's validating plugins do. Quotas come after everything else: they are
 * asked when the object is committed. @throws StatusError Forbidden
 */
export function validateAdmission(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  object: KubernetesObject,
  update?: UpdateBase,
  dryRun = false,
): void {
  const operation = update === undefined ? 'CREATE' : 'UPDATE'
  const { old: before, subresource: part } = update ?? { old: undefined, subresource: undefined }
  const write = { operation, definition, subresource: part, object, old: before } as const
  const askPolicies = (): void => checkPolicies({ store: env.store, registry: env.registry, request, write, dryRun })
  if (object.metadata.deletionTimestamp !== undefined) return askPolicies()
  checkPodSecurity(env.store, {
    definition,
    object,
    old: before,
    subresource: part,
    warn: (text) => request.warn(text),
  })
  const { storageName } = definition
  if (storageName === 'priorityclasses.scheduling.k8s.io') checkPriorityClass(env.store, object as PriorityClass)
  if (storageName === trustBundles && part === undefined)
    checkAttestation(request, definition, object as ClusterTrustBundle)
  if (update === undefined) validateCreate(env, definition, object)
  else validateUpdate(env, request, definition, object, update)
  askPolicies()
}

/** Asks whether an object may be deleted. @throws StatusError as a policy says */
export function validateDelete(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  old: KubernetesObject,
  dryRun: boolean,
): void {
  const write = { operation: 'DELETE', definition, subresource: undefined, object: undefined, old } as const
  checkPolicies({ store: env.store, registry: env.registry, request, write, dryRun })
}

function validateCreate(env: WriteEnvironment, definition: ResourceDefinition, object: KubernetesObject): void {
  const { storageName } = definition
  if (claimKinds.has(storageName)) checkAdminAccess(env.store, definition, object)
  if (limitedKinds.has(storageName)) checkLimitRanges(env.store, definition, object)
  if (storageName === certificateRequests) checkCertificateSubject(object as CertificateSigningRequest)
}

function validateUpdate(
  env: WriteEnvironment,
  request: RequestContext,
  definition: ResourceDefinition,
  object: KubernetesObject,
  { old, subresource }: UpdateBase,
): void {
  const { storageName } = definition
  if (storageName === 'pods' && subresource === 'resize') checkResize(env.store, object as Pod, old as Pod)
  // A pod's containers ask for something else only when they are resized.
  if (limitedKinds.has(storageName) && subresource === (storageName === 'pods' ? 'resize' : undefined))
    checkLimitRanges(env.store, definition, object)
  if (storageName === certificateRequests)
    checkSigner(request, object as CertificateSigningRequest, old as CertificateSigningRequest, subresource)
}

const certificateRequests = 'certificatesigningrequests.certificates.k8s.io'
const trustBundles = 'clustertrustbundles.certificates.k8s.io'
const none: readonly Write[] = []
const limitedKinds = new Set(['pods', 'persistentvolumeclaims'])
const claimKinds = new Set(['resourceclaims.resource.k8s.io', 'resourceclaimtemplates.resource.k8s.io'])

/** What an admission step may read. */
export type AdmissionStore = Pick<Store, 'get' | 'linearize' | 'list'>
