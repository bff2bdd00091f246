import type { KubernetesObject } from '@binnacle/apimachinery'
import type { PolicyRule } from '@binnacle/resources'
import { clusterRole, clusterRoleBinding, eventsGrant, grant, read } from './grant.ts'

/** What each controller may do, each as a ServiceAccount of kube-system (`bootstrappolicy/controller_policy.go`). */

const prefix = 'system:controller:'
const certificates = 'certificates.k8s.io'
const discovery = 'discovery.k8s.io'
const networking = 'networking.k8s.io'
const storage = 'storage.k8s.io'
const devices = 'resource.k8s.io'
const appsGroups = ['apps', 'extensions']

const signers =
  'kubernetes.io/legacy-unknown kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving'

// Makes pods of a kind's objects.
const podMaker = (groups: string | readonly string[], resource: string, verbs: string): readonly PolicyRule[] => [
  grant(verbs, groups, resource),
  grant('update', groups, `${resource}/status`),
  grant('update', groups, `${resource}/finalizers`),
  grant('create delete list patch watch', '', 'pods'),
]

const workloads: Readonly<Record<string, readonly PolicyRule[]>> = {
  'cronjob-controller': [
    grant(`${read} update`, 'batch', 'cronjobs'),
    grant(`create delete ${read} patch update`, 'batch', 'jobs'),
    grant('update', 'batch', 'cronjobs/status'),
    grant('update', 'batch', 'cronjobs/finalizers'),
    grant('delete list watch', '', 'pods'),
    eventsGrant,
  ],
  'daemon-set-controller': [
    grant(read, appsGroups, 'daemonsets'),
    grant('update', appsGroups, 'daemonsets/status'),
    grant('update', appsGroups, 'daemonsets/finalizers'),
    grant('list watch', '', 'nodes'),
    grant('create delete list patch watch', '', 'pods'),
    grant('create', '', 'pods/binding'),
    grant(`create delete ${read} patch update`, 'apps', 'controllerrevisions'),
    eventsGrant,
  ],
  'deployment-controller': [
    grant(`${read} update`, appsGroups, 'deployments'),
    grant('update', appsGroups, 'deployments/status'),
    grant('update', appsGroups, 'deployments/finalizers'),
    grant(`create delete ${read} patch update`, appsGroups, 'replicasets'),
    grant(`${read} update`, '', 'pods'),
    eventsGrant,
  ],
  'job-controller': [...podMaker('batch', 'jobs', `${read} patch update`), eventsGrant],
  'replicaset-controller': [...podMaker(appsGroups, 'replicasets', `${read} update`), eventsGrant],
  'replication-controller': [...podMaker('', 'replicationcontrollers', `${read} update`), eventsGrant],
  'statefulset-controller': [
    grant('list watch', '', 'pods'),
    grant(read, 'apps', 'statefulsets'),
    grant('update', 'apps', 'statefulsets/status'),
    grant('update', 'apps', 'statefulsets/finalizers'),
    grant('create delete get patch update', '', 'pods'),
    grant(`create delete ${read} patch update`, 'apps', 'controllerrevisions'),
    grant(`create ${read}`, '', 'persistentvolumeclaims'),
    grant('delete update', '', 'persistentvolumeclaims'),
    grant('update', '', 'pods/finalizers'),
    eventsGrant,
  ],
  'disruption-controller': [
    grant(read, appsGroups, 'deployments'),
    grant(read, appsGroups, 'replicasets'),
    grant(read, '', 'replicationcontrollers'),
    grant(read, 'policy', 'poddisruptionbudgets'),
    grant(read, 'apps', 'statefulsets'),
    grant('update', 'policy', 'poddisruptionbudgets/status'),
    grant('patch update', '', 'pods/status'),
    grant('get', '*', '*/scale'),
    eventsGrant,
  ],
  'horizontal-pod-autoscaler': [
    grant(read, 'autoscaling', 'horizontalpodautoscalers'),
    grant('update', 'autoscaling', 'horizontalpodautoscalers/status'),
    grant('get update', '*', '*/scale'),
    grant('list watch', '', 'pods'),
    grant('list watch', 'metrics.k8s.io', 'pods'),
    grant(read, 'custom.metrics.k8s.io', '*'),
    grant(read, 'external.metrics.k8s.io', '*'),
    eventsGrant,
  ],
  'ttl-after-finished-controller': [grant(`delete ${read}`, 'batch', 'jobs'), eventsGrant],
}

const networks: Readonly<Record<string, readonly PolicyRule[]>> = {
  'endpoint-controller': [
    grant(read, '', 'pods services'),
    grant(`create delete ${read} update`, '', 'endpoints'),
    grant('create', '', 'endpoints/restricted'),
    eventsGrant,
  ],
  'endpointslice-controller': [
    grant(read, '', 'nodes pods services'),
    grant('update', '', 'services/finalizers'),
    grant(`create delete ${read} update`, discovery, 'endpointslices'),
    eventsGrant,
  ],
  'endpointslicemirroring-controller': [
    grant(read, '', 'endpoints services'),
    grant('update', '', 'services/finalizers'),
    grant('update', '', 'endpoints/finalizers'),
    grant(`create delete ${read} update`, discovery, 'endpointslices'),
    eventsGrant,
  ],
  'route-controller': [grant('list watch', '', 'nodes'), grant('patch', '', 'nodes/status'), eventsGrant],
  'service-controller': [
    grant(read, '', 'services'),
    grant('patch update', '', 'services/status'),
    grant('list watch', '', 'nodes'),
    eventsGrant,
  ],
  'service-cidrs-controller': [
    grant(`${read} patch update`, networking, 'servicecidrs'),
    grant('patch update', networking, 'servicecidrs/finalizers'),
    grant('patch update', networking, 'servicecidrs/status'),
    grant(read, networking, 'ipaddresses'),
    eventsGrant,
  ],
}

const volumes: Readonly<Record<string, readonly PolicyRule[]>> = {
  'attachdetach-controller': [
    grant('list watch', '', 'persistentvolumeclaims persistentvolumes'),
    grant(read, '', 'nodes'),
    grant('patch update', '', 'nodes/status'),
    grant('list watch', '', 'pods'),
    eventsGrant,
    grant(`create delete ${read}`, storage, 'volumeattachments'),
    grant(read, storage, 'csidrivers'),
    grant(read, storage, 'csinodes'),
  ],
  'expand-controller': [
    grant(`${read} patch update`, '', 'persistentvolumes'),
    grant('patch update', '', 'persistentvolumeclaims/status'),
    grant(read, '', 'persistentvolumeclaims'),
    eventsGrant,
    grant('get', '', 'services'),
  ],
  'ephemeral-volume-controller': [
    grant(read, '', 'pods'),
    grant('update', '', 'pods/finalizers'),
    grant(`create ${read}`, '', 'persistentvolumeclaims'),
    eventsGrant,
  ],
  'persistent-volume-binder': [
    grant(`create delete ${read} update`, '', 'persistentvolumes'),
    grant('update', '', 'persistentvolumes/status'),
    grant(`${read} update`, '', 'persistentvolumeclaims'),
    grant('update', '', 'persistentvolumeclaims/status'),
    grant(`create delete ${read}`, '', 'pods'),
    grant(read, storage, 'storageclasses'),
    grant('list watch', '', 'nodes'),
    eventsGrant,
    grant('watch', '', 'events'),
    grant('get', '', 'services'),
  ],
  'pvc-protection-controller': [
    grant(`${read} update`, '', 'persistentvolumeclaims'),
    grant(read, '', 'pods'),
    eventsGrant,
  ],
  'pv-protection-controller': [grant(`${read} update`, '', 'persistentvolumes'), eventsGrant],
  'volumeattributesclass-protection-controller': [
    grant(read, '', 'persistentvolumeclaims'),
    grant(read, '', 'persistentvolumes'),
    grant(`${read} update`, storage, 'volumeattributesclasses'),
    eventsGrant,
  ],
  'selinux-warning-controller': [
    eventsGrant,
    grant(read, '', 'persistentvolumes'),
    grant(read, '', 'persistentvolumeclaims'),
    grant(read, '', 'pods'),
    grant(read, storage, 'csidrivers'),
  ],
  'resource-claim-controller': [
    grant(read, '', 'pods'),
    grant('update', '', 'pods/finalizers'),
    grant(`create delete ${read}`, devices, 'resourceclaims'),
    grant('patch update', devices, 'resourceclaims resourceclaims/status'),
    grant('patch update', '', 'pods/status'),
    eventsGrant,
  ],
}

const cluster: Readonly<Record<string, readonly PolicyRule[]>> = {
  'clusterrole-aggregation-controller': [
    grant(`escalate ${read} patch update`, 'rbac.authorization.k8s.io', 'clusterroles'),
  ],
  'generic-garbage-collector': [grant(`delete ${read} patch update`, '*', '*'), eventsGrant],
  'namespace-controller': [
    grant(`delete ${read}`, '', 'namespaces'),
    grant('update', '', 'namespaces/finalize namespaces/status'),
    grant(`delete deletecollection ${read}`, '*', '*'),
  ],
  'node-controller': [
    grant(`delete ${read} patch update`, '', 'nodes'),
    grant('patch update', '', 'nodes/status'),
    grant('patch update', '', 'pods/status'),
    grant(`delete ${read}`, '', 'pods'),
    eventsGrant,
  ],
  'pod-garbage-collector': [
    grant('delete list watch', '', 'pods'),
    grant(read, '', 'nodes'),
    grant('patch', '', 'pods/status'),
  ],
  'resourcequota-controller': [
    grant('list watch', '*', '*'),
    grant('update', '', 'resourcequotas/status'),
    eventsGrant,
  ],
  'service-account-controller': [grant('create', '', 'serviceaccounts'), eventsGrant],
  'ttl-controller': [grant('list patch update watch', '', 'nodes'), eventsGrant],
  'certificate-controller': [
    grant(`delete ${read}`, certificates, 'certificatesigningrequests'),
    grant('update', certificates, 'certificatesigningrequests/approval certificatesigningrequests/status'),
    grant('approve', certificates, 'signers', 'kubernetes.io/kube-apiserver-client-kubelet'),
    grant('sign', certificates, 'signers', signers),
    grant('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    eventsGrant,
  ],
  'root-ca-cert-publisher': [grant('create update', '', 'configmaps'), eventsGrant],
  'validatingadmissionpolicy-status-controller': [
    grant(read, 'admissionregistration.k8s.io', 'validatingadmissionpolicies'),
    grant('get patch update', 'admissionregistration.k8s.io', 'validatingadmissionpolicies/status'),
    eventsGrant,
  ],
  'legacy-service-account-token-cleaner': [
    grant('get', '', 'configmaps', 'kube-apiserver-legacy-service-account-token-tracking'),
    grant('delete patch', '', 'secrets'),
  ],
}

const all = Object.entries({ ...workloads, ...networks, ...volumes, ...cluster })

/** The ClusterRoles. */
export const controllerRoles: readonly KubernetesObject[] = all.map(([name, rules]) =>
  clusterRole(prefix + name, rules),
)

/** Each account's binding. */
export const controllerBindings: readonly KubernetesObject[] = all.map(([name]) =>
  clusterRoleBinding(prefix + name, `account:${name}`),
)
