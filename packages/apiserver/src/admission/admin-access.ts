import { forbiddenField, invalid, type KubernetesObject } from '@binnacle/apimachinery'
import {
  adminAccessPaths,
  type Namespace,
  type ResourceClaimTemplate,
  type ResourceClaimV1,
  type ResourceDefinition,
} from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

const label = 'resource.kubernetes.io/admin-access'

/**
 * Claims may ask for access to devices that others use only in namespaces that are labelled for it (kube-apiserver `AuthorizedForAdmin`).
 * @throws StatusError Invalid
 */
export function checkAdminAccess(
  store: Pick<AdmissionStore, 'get'>,
  definition: ResourceDefinition,
  object: KubernetesObject,
): void {
  const paths =
    definition.kind === 'ResourceClaim'
      ? adminAccessPaths((object as ResourceClaimV1).spec, 'spec')
      : adminAccessPaths((object as ResourceClaimTemplate).spec.spec, 'spec.spec')
  if (paths.length === 0) return
  const key = { resource: 'namespaces', namespace: '', name: object.metadata.namespace ?? '' }
  const namespace = store.get(key)?.parse() as Namespace | undefined
  if (namespace?.metadata.labels?.[label] === 'true') return
  const detail = `admin access to devices requires the \`${label}: true\` label on the containing namespace`
  throw invalid(
    definition,
    object.metadata.name,
    paths.map((path) => forbiddenField(path, detail)),
  )
}
