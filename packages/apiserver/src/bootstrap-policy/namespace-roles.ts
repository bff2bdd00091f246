import type { KubernetesObject } from '@binnacle/apimachinery'
import { eventsGrant, grant, read, role, roleBinding } from './grant.ts'

/** What the cluster's parts may do in the cluster's own namespaces (`bootstrappolicy/namespace_policy.go`). */

const system = 'kube-system'
const signer = 'system:controller:bootstrap-signer'
const cleaner = 'system:controller:token-cleaner'
const provider = 'system:controller:cloud-provider'
const authenticationReader = 'extension-apiserver-authentication-reader'
const locking = 'system::leader-locking-'

const leaderLocking = (component: string): KubernetesObject =>
  role(system, locking + component, [
    grant('watch', '', 'configmaps'),
    grant('get update', '', 'configmaps', component),
  ])

/** The Roles. */
export const namespaceRoles: readonly KubernetesObject[] = [
  role(system, authenticationReader, [grant(read, '', 'configmaps', 'extension-apiserver-authentication')]),
  role(system, signer, [grant(read, '', 'secrets')]),
  role(system, provider, [grant(`create ${read}`, '', 'configmaps')]),
  role(system, cleaner, [grant(`delete ${read}`, '', 'secrets'), eventsGrant]),
  leaderLocking('kube-controller-manager'),
  leaderLocking('kube-scheduler'),
  role('kube-public', signer, [
    grant(read, '', 'configmaps'),
    grant('update', '', 'configmaps', 'cluster-info'),
    eventsGrant,
  ]),
]

/** Who has them. */
export const namespaceBindings: readonly KubernetesObject[] = [
  roleBinding(
    system,
    `system::${authenticationReader}`,
    authenticationReader,
    'user:system:kube-controller-manager',
    'user:system:kube-scheduler',
  ),
  ...['kube-controller-manager', 'kube-scheduler'].map((component) =>
    roleBinding(system, locking + component, locking + component, `user:system:${component}`, `account:${component}`),
  ),
  roleBinding(system, signer, signer, 'account:bootstrap-signer'),
  roleBinding(system, provider, provider, 'account:cloud-provider'),
  roleBinding(system, cleaner, cleaner, 'account:token-cleaner'),
  roleBinding('kube-public', signer, signer, 'account:bootstrap-signer'),
]
