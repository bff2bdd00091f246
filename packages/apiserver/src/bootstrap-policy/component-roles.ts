import type { KubernetesObject } from '@binnacle/apimachinery'
import type { PolicyRule } from '@binnacle/resources'
import { clusterRole, clusterRoleBinding, eventsGrant, grant, grantPaths, read } from './grant.ts'

/** The roles of the cluster's own parts, and who has them, with every feature of Kubernetes 1.36 as it is by default (`bootstrappolicy/policy.go`). */

const certificates = 'certificates.k8s.io'
const coordination = 'coordination.k8s.io'
const storage = 'storage.k8s.io'
const devices = 'resource.k8s.io'
const authentication = 'authentication.k8s.io'
const authorization = 'authorization.k8s.io'

const reviewGrants: readonly PolicyRule[] = [
  grant('create', authentication, 'tokenreviews'),
  grant('create', authorization, 'subjectaccessreviews'),
]

const nodeRules: readonly PolicyRule[] = [
  grant('create', authentication, 'tokenreviews'),
  grant('create', authorization, 'localsubjectaccessreviews subjectaccessreviews'),
  grant(read, '', 'services'),
  grant(`create ${read}`, '', 'nodes'),
  grant('patch update', '', 'nodes/status'),
  grant('patch update', '', 'nodes'),
  grant('create patch update', '', 'events'),
  grant(read, '', 'pods'),
  // Mirror pods.
  grant('create delete', '', 'pods'),
  grant('patch update', '', 'pods/status'),
  grant('create', '', 'pods/eviction'),
  grant(read, '', 'configmaps secrets'),
  grant('get', '', 'persistentvolumeclaims persistentvolumes'),
  grant('get', '', 'endpoints'),
  grant(`create ${read}`, certificates, 'certificatesigningrequests'),
  grant('create delete get patch update', coordination, 'leases'),
  grant('get', storage, 'volumeattachments'),
  grant('create', '', 'serviceaccounts/token'),
  grant('get patch update', '', 'persistentvolumeclaims/status'),
  grant(read, storage, 'csidrivers'),
  grant('create delete get patch update', storage, 'csinodes'),
  grant(read, 'node.k8s.io', 'runtimeclasses'),
  grant('get', devices, 'resourceclaims'),
  grant('deletecollection', devices, 'resourceslices'),
  grant('get', '', 'serviceaccounts'),
]

const schedulerRules: readonly PolicyRule[] = [
  eventsGrant,
  grant('create', coordination, 'leases'),
  grant('get update', coordination, 'leases', 'kube-scheduler'),
  grant(read, '', 'nodes'),
  grant(`delete ${read}`, '', 'pods'),
  grant('create', '', 'bindings pods/binding'),
  grant('patch update', '', 'pods/status'),
  grant(read, '', 'replicationcontrollers services'),
  grant(read, ['apps', 'extensions'], 'replicasets'),
  grant(read, 'apps', 'statefulsets'),
  grant(read, 'policy', 'poddisruptionbudgets'),
  grant(read, '', 'persistentvolumeclaims persistentvolumes'),
  ...reviewGrants,
  grant(read, storage, 'csinodes'),
  grant(read, storage, 'volumeattachments'),
  grant(read, '', 'namespaces'),
  grant(read, storage, 'csidrivers'),
  grant(read, storage, 'csistoragecapacities'),
  grant(read, devices, 'deviceclasses'),
  grant(`${read} patch update`, devices, 'resourceclaims'),
  grant(`${read} patch update`, devices, 'resourceclaims/status'),
  grant(`${read} patch update`, '', 'pods/finalizers'),
  grant(read, devices, 'resourceslices'),
]

const controllerManagerRules: readonly PolicyRule[] = [
  eventsGrant,
  grant('create', coordination, 'leases'),
  grant('get update', coordination, 'leases', 'kube-controller-manager'),
  grant('create', '', 'secrets serviceaccounts'),
  grant('delete', '', 'secrets'),
  grant('get', '', 'configmaps namespaces secrets serviceaccounts'),
  grant('update', '', 'secrets serviceaccounts'),
  ...reviewGrants,
  grant('list watch', '*', '*'),
  grant('create', '', 'serviceaccounts/token'),
]

const approver = (signer: string): KubernetesObject =>
  clusterRole(`system:certificates.k8s.io:${signer}-approver`, [
    grant('approve', certificates, 'signers', `kubernetes.io/${signer}`),
  ])
const nodeRequest = (kind: string): KubernetesObject =>
  clusterRole(`system:certificates.k8s.io:certificatesigningrequests:${kind}`, [
    grant('create', certificates, `certificatesigningrequests/${kind}`),
  ])

/** The ClusterRoles. */
export const componentRoles: readonly KubernetesObject[] = [
  clusterRole('cluster-admin', [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ]),
  clusterRole('system:discovery', [
    grantPaths('/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/'),
  ]),
  clusterRole('system:monitoring', [
    grantPaths('/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*'),
  ]),
  clusterRole('system:basic-user', [
    grant('create', authorization, 'selfsubjectaccessreviews selfsubjectrulesreviews'),
    grant('create', authentication, 'selfsubjectreviews'),
  ]),
  clusterRole('system:public-info-viewer', [grantPaths('/healthz /livez /readyz /version /version/')]),
  clusterRole('system:service-account-issuer-discovery', [
    grantPaths('/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/'),
  ]),
  clusterRole('system:node', nodeRules),
  clusterRole('system:node-problem-detector', [
    grant('get', '', 'nodes'),
    grant('patch', '', 'nodes/status'),
    eventsGrant,
  ]),
  clusterRole('system:node-proxier', [
    grant('list watch', '', 'endpoints services'),
    grant(read, '', 'nodes'),
    eventsGrant,
    grant('list watch', 'networking.k8s.io', 'servicecidrs'),
    grant('list watch', 'discovery.k8s.io', 'endpointslices'),
  ]),
  clusterRole('system:kubelet-api-admin', [
    grant(read, '', 'nodes'),
    grant('proxy', '', 'nodes'),
    grant('*', '', 'nodes/log nodes/metrics nodes/proxy nodes/stats'),
    grant('*', '', 'nodes/configz nodes/healthz nodes/pods'),
  ]),
  clusterRole('system:node-bootstrapper', [grant(`create ${read}`, certificates, 'certificatesigningrequests')]),
  clusterRole('system:auth-delegator', reviewGrants),
  clusterRole('system:kube-aggregator', [grant(read, '', 'endpoints services')]),
  clusterRole('system:kube-controller-manager', controllerManagerRules),
  clusterRole('system:kube-dns', [grant('list watch', '', 'endpoints services')]),
  clusterRole('system:persistent-volume-provisioner', [
    grant(`create delete ${read}`, '', 'persistentvolumes'),
    grant(`${read} update`, '', 'persistentvolumeclaims'),
    grant(read, storage, 'storageclasses'),
    grant('watch', '', 'events'),
    eventsGrant,
  ]),
  clusterRole('system:volume-scheduler', [
    grant(`${read} patch update`, '', 'persistentvolumes'),
    grant(read, storage, 'storageclasses'),
    grant(`${read} patch update`, '', 'persistentvolumeclaims'),
  ]),
  clusterRole('system:kube-scheduler', schedulerRules),
  clusterRole('system:heapster', [
    grant(read, '', 'events namespaces nodes pods'),
    grant(read, 'extensions', 'deployments'),
  ]),
  nodeRequest('nodeclient'),
  nodeRequest('selfnodeclient'),
  approver('legacy-unknown'),
  approver('kubelet-serving'),
  approver('kube-apiserver-client'),
  approver('kube-apiserver-client-kubelet'),
]

/** Who has them. Nobody has `system:node` by default: nodes are let by their names. */
export const componentBindings: readonly KubernetesObject[] = [
  clusterRoleBinding('cluster-admin', 'group:system:masters'),
  clusterRoleBinding('system:monitoring', 'group:system:monitoring'),
  clusterRoleBinding('system:discovery', 'group:system:authenticated'),
  clusterRoleBinding('system:basic-user', 'group:system:authenticated'),
  clusterRoleBinding('system:public-info-viewer', 'group:system:authenticated', 'group:system:unauthenticated'),
  clusterRoleBinding('system:service-account-issuer-discovery', 'group:system:serviceaccounts'),
  clusterRoleBinding('system:node'),
  clusterRoleBinding('system:node-proxier', 'user:system:kube-proxy'),
  clusterRoleBinding('system:kube-controller-manager', 'user:system:kube-controller-manager'),
  clusterRoleBinding('system:kube-dns', 'account:kube-dns'),
  clusterRoleBinding('system:kube-scheduler', 'user:system:kube-scheduler'),
  clusterRoleBinding('system:volume-scheduler', 'user:system:kube-scheduler'),
]
