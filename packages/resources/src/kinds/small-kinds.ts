/** Kinds whose entry is a line or two. */
import { ageOf, isConditionTrue, type KubernetesObject } from '@binnacle/apimachinery'
import { ageColumn, column, integerColumn, mapText } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { selectorFromLabelSelector } from '@binnacle/apimachinery'
import type * as k8s from '../generated/types.ts'
import { limitRangeStrategy } from './limit-range-strategy.ts'
import { podDisruptionBudgetStrategy } from './pod-disruption-budget-strategy.ts'
import { podGroupStrategy } from './pod-group-strategy.ts'
import { resourceQuotaStrategy } from './resource-quota-strategy.ts'
import {
  validatingAdmissionPolicyBindingStrategy,
  validatingAdmissionPolicyStrategy,
} from './admission-policy-strategies.ts'
import { certificateSigningRequestStrategy } from './certificate-signing-request-strategy.ts'
import { persistentVolumeClaimsOf } from './volume-relations.ts'
import {
  clusterRoleBindingStrategy,
  clusterRoleStrategy,
  roleBindingStrategy,
  roleStrategy,
} from './rbac-strategies.ts'
import { deviceClassStrategy } from './device-class-strategy.ts'
import { resourceClaimStrategy, resourceClaimTemplateStrategy } from './resource-claim-strategies.ts'
import { storageClassStrategy, volumeAttributesClassStrategy } from './storage-class-strategies.ts'

/** A claim to act as the leader, or to be alive. */
export const leases: ResourceDefinition<k8s.Lease> = defineResource<k8s.Lease>('coordination.k8s.io', 'v1', 'leases', {
  columns: [column('Holder', (lease: k8s.Lease) => lease.spec?.holderIdentity ?? ''), ageColumn],
})

/** Pods that belong together, and whether they must get their nodes all at once. */
export const podGroups: ResourceDefinition<k8s.PodGroup> = defineResource<k8s.PodGroup>(
  'scheduling.k8s.io',
  'v1alpha2',
  'podgroups',
  { strategy: podGroupStrategy },
)

/** How much a namespace may use. */
export const resourceQuotas: ResourceDefinition<k8s.ResourceQuota> = defineResource<k8s.ResourceQuota>(
  '',
  'v1',
  'resourcequotas',
  {
    shortNames: ['quota'],
    columns: [
      column('Request', (quota: k8s.ResourceQuota) => quotaText(quota, (name) => !name.startsWith('limits.'))),
      column('Limit', (quota: k8s.ResourceQuota) => quotaText(quota, (name) => name.startsWith('limits.'))),
      ageColumn,
    ],
    strategy: resourceQuotaStrategy,
  },
)

function quotaText(quota: k8s.ResourceQuota, wanted: (name: string) => boolean): string {
  const hard = Object.entries(quota.status?.hard ?? {}).filter(([name]) => wanted(name))
  return hard
    .map(([name, amount]) => `${name}: ${quota.status?.used?.[name] ?? '0'}/${amount}`)
    .sort()
    .join(', ')
}

/** Limits and defaults for what is created in a namespace. */
export const limitRanges: ResourceDefinition<k8s.LimitRange> = defineResource<k8s.LimitRange>('', 'v1', 'limitranges', {
  shortNames: ['limits'],
  strategy: limitRangeStrategy,
})

/** Pod templates that stand alone. */
export const podTemplates: ResourceDefinition<k8s.PodTemplate> = defineResource<k8s.PodTemplate>(
  '',
  'v1',
  'podtemplates',
  {
    columns: [
      column('Containers', (template: k8s.PodTemplate) =>
        (template.template?.spec?.containers ?? []).map((container) => container.name).join(','),
      ),
      column('Images', (template: k8s.PodTemplate) =>
        (template.template?.spec?.containers ?? []).map((container) => container.image ?? '').join(','),
      ),
      column('Pod Labels', (template: k8s.PodTemplate) => mapText(template.template?.metadata?.labels)),
    ],
  },
)
/** The body of pods/binding; never stored. */
export const bindings: ResourceDefinition<k8s.Binding> = defineResource<k8s.Binding>('', 'v1', 'bindings')

/** A past state of a StatefulSet or DaemonSet. */
export const controllerRevisions: ResourceDefinition<k8s.ControllerRevision> = defineResource<k8s.ControllerRevision>(
  'apps',
  'v1',
  'controllerrevisions',
  {
    columns: [
      column('Controller', (revision: k8s.ControllerRevision) => {
        const owner = revision.metadata.ownerReferences?.find((reference) => reference.controller === true)
        return owner === undefined
          ? '<none>'
          : `${owner.kind.toLowerCase()}.${owner.apiVersion.split('/')[0]}/${owner.name}`
      }),
      integerColumn('Revision', (revision: k8s.ControllerRevision) => revision.revision),
      ageColumn,
    ],
  },
)

/** Traffic rules of a namespace's pods. */
export const networkPolicies: ResourceDefinition<k8s.NetworkPolicy> = defineResource<k8s.NetworkPolicy>(
  'networking.k8s.io',
  'v1',
  'networkpolicies',
  {
    shortNames: ['netpol'],
    columns: [
      column(
        'Pod-Selector',
        (policy: k8s.NetworkPolicy) => selectorFromLabelSelector(policy.spec?.podSelector).toString() || '<none>',
      ),
      ageColumn,
    ],
  },
)
/** HTTP routes from outside. */
export const ingresses: ResourceDefinition<k8s.Ingress> = defineResource<k8s.Ingress>(
  'networking.k8s.io',
  'v1',
  'ingresses',
  {
    shortNames: ['ing'],
    columns: [
      column(
        'Class',
        (ingress: k8s.Ingress) =>
          ingress.spec?.ingressClassName ?? ingress.metadata.annotations?.['kubernetes.io/ingress.class'] ?? '<none>',
      ),
      column('Hosts', (ingress: k8s.Ingress) => {
        const hosts = (ingress.spec?.rules ?? [])
          .map((rule) => rule.host)
          .filter((host) => host !== undefined && host !== '')
        return hosts.length === 0
          ? '*'
          : hosts.length <= 3
            ? hosts.join(',')
            : `${hosts.slice(0, 3).join(',')} + ${hosts.length - 3} more...`
      }),
      column('Address', (ingress: k8s.Ingress) =>
        (ingress.status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip ?? entry.hostname ?? '').join(','),
      ),
      column('Ports', (ingress: k8s.Ingress) => ((ingress.spec?.tls ?? []).length > 0 ? '80, 443' : '80')),
      ageColumn,
    ],
  },
)
/** Which controller implements an Ingress. */
export const ingressClasses: ResourceDefinition<k8s.IngressClass> = defineResource<k8s.IngressClass>(
  'networking.k8s.io',
  'v1',
  'ingressclasses',
  {
    columns: [
      column('Controller', (ingressClass: k8s.IngressClass) => ingressClass.spec?.controller ?? ''),
      column('Parameters', (ingressClass: k8s.IngressClass) => {
        const parameters = ingressClass.spec?.parameters
        return parameters === undefined
          ? '<none>'
          : `${parameters.kind.toLowerCase()}${parameters.apiGroup === undefined ? '' : `.${parameters.apiGroup}`}/${parameters.name}`
      }),
      ageColumn,
    ],
  },
)
/** An address that is in use. */
export const ipAddresses: ResourceDefinition<k8s.IPAddress> = defineResource<k8s.IPAddress>(
  'networking.k8s.io',
  'v1',
  'ipaddresses',
  {
    shortNames: ['ip'],
    columns: [
      column('ParentRef', (address: k8s.IPAddress) =>
        [
          address.spec?.parentRef.group,
          address.spec?.parentRef.resource,
          address.spec?.parentRef.namespace,
          address.spec?.parentRef.name,
        ]
          .filter(Boolean)
          .join('/'),
      ),
      ageColumn,
    ],
  },
)
/** A range that Service addresses come from. */
export const serviceCidrs: ResourceDefinition<k8s.ServiceCIDR> = defineResource<k8s.ServiceCIDR>(
  'networking.k8s.io',
  'v1',
  'servicecidrs',
  {
    columns: [column('CIDRs', (cidr: k8s.ServiceCIDR) => (cidr.spec?.cidrs ?? []).join(',')), ageColumn],
  },
)
/** How many pods must stay up while others are evicted. */
export const podDisruptionBudgets: ResourceDefinition<k8s.PodDisruptionBudget> =
  defineResource<k8s.PodDisruptionBudget>('policy', 'v1', 'poddisruptionbudgets', {
    shortNames: ['pdb'],
    columns: [
      column('Min Available', (budget: k8s.PodDisruptionBudget) => String(budget.spec?.minAvailable ?? 'N/A')),
      column('Max Unavailable', (budget: k8s.PodDisruptionBudget) => String(budget.spec?.maxUnavailable ?? 'N/A')),
      integerColumn('Allowed Disruptions', (budget: k8s.PodDisruptionBudget) => budget.status?.disruptionsAllowed),
      ageColumn,
    ],
    strategy: podDisruptionBudgetStrategy,
  })
/** How important a pod is. */
export const priorityClasses: ResourceDefinition<k8s.PriorityClass> = defineResource<k8s.PriorityClass>(
  'scheduling.k8s.io',
  'v1',
  'priorityclasses',
  {
    shortNames: ['pc'],
    columns: [
      integerColumn('Value', (priority: k8s.PriorityClass) => priority.value),
      column('Global-Default', (priority: k8s.PriorityClass) => priority.globalDefault ?? false, { type: 'boolean' }),
      ageColumn,
      column('PreemptionPolicy', (priority: k8s.PriorityClass) => priority.preemptionPolicy ?? '', { wide: false }),
    ],
    strategy: {
      applyDefaults(priority) {
        priority.preemptionPolicy ??= 'PreemptLowerPriority'
      },
    },
  },
)
/** How containers are run. */
export const runtimeClasses: ResourceDefinition<k8s.RuntimeClass> = defineResource<k8s.RuntimeClass>(
  'node.k8s.io',
  'v1',
  'runtimeclasses',
  {
    columns: [column('Handler', (runtime: k8s.RuntimeClass) => runtime.handler), ageColumn],
  },
)
/** A kind of storage. */
export const storageClasses: ResourceDefinition<k8s.StorageClass> = defineResource<k8s.StorageClass>(
  'storage.k8s.io',
  'v1',
  'storageclasses',
  {
    shortNames: ['sc'],
    columns: [
      column('Provisioner', (storage: k8s.StorageClass) => storage.provisioner),
      column('ReclaimPolicy', (storage: k8s.StorageClass) => storage.reclaimPolicy ?? 'Delete'),
      column('VolumeBindingMode', (storage: k8s.StorageClass) => storage.volumeBindingMode ?? 'Immediate'),
      column('AllowVolumeExpansion', (storage: k8s.StorageClass) => storage.allowVolumeExpansion ?? false, {
        type: 'boolean',
      }),
      ageColumn,
    ],
    edges: { volumeClaims: persistentVolumeClaimsOf },
    strategy: storageClassStrategy,
  },
)
/** Changeable attributes of volumes. */
export const volumeAttributesClasses: ResourceDefinition<k8s.VolumeAttributesClass> =
  defineResource<k8s.VolumeAttributesClass>('storage.k8s.io', 'v1', 'volumeattributesclasses', {
    shortNames: ['vac'],
    columns: [column('DriverName', (attributes: k8s.VolumeAttributesClass) => attributes.driverName), ageColumn],
    strategy: volumeAttributesClassStrategy,
  })
/** A volume that is to be attached to a node. */
export const volumeAttachments: ResourceDefinition<k8s.VolumeAttachment> = defineResource<k8s.VolumeAttachment>(
  'storage.k8s.io',
  'v1',
  'volumeattachments',
  {
    columns: [
      column('Attacher', (attachment: k8s.VolumeAttachment) => attachment.spec?.attacher ?? ''),
      column('PV', (attachment: k8s.VolumeAttachment) => attachment.spec?.source.persistentVolumeName ?? ''),
      column('Node', (attachment: k8s.VolumeAttachment) => attachment.spec?.nodeName ?? ''),
      column('Attached', (attachment: k8s.VolumeAttachment) => attachment.status?.attached ?? false, {
        type: 'boolean',
      }),
      ageColumn,
    ],
  },
)
/** Storage drivers. */
export const csiDrivers: ResourceDefinition<k8s.CSIDriver> = defineResource<k8s.CSIDriver>(
  'storage.k8s.io',
  'v1',
  'csidrivers',
  {
    columns: [
      column('AttachRequired', (driver: k8s.CSIDriver) => driver.spec?.attachRequired ?? true, { type: 'boolean' }),
      column('PodInfoOnMount', (driver: k8s.CSIDriver) => driver.spec?.podInfoOnMount ?? false, { type: 'boolean' }),
      column('StorageCapacity', (driver: k8s.CSIDriver) => driver.spec?.storageCapacity ?? false, { type: 'boolean' }),
      ageColumn,
    ],
  },
)
/** The storage drivers of a node. */
export const csiNodes: ResourceDefinition<k8s.CSINode> = defineResource<k8s.CSINode>(
  'storage.k8s.io',
  'v1',
  'csinodes',
  {
    columns: [integerColumn('Drivers', (node: k8s.CSINode) => node.spec?.drivers.length), ageColumn],
  },
)
const createdAt = column<KubernetesObject>('Created At', (object) => object.metadata.creationTimestamp ?? '', {
  description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
})

/** Permissions within a namespace. */
export const roles: ResourceDefinition<k8s.Role> = defineResource<k8s.Role>(
  'rbac.authorization.k8s.io',
  'v1',
  'roles',
  {
    columns: [createdAt],
    strategy: roleStrategy,
  },
)
/** Permissions everywhere. */
export const clusterRoles: ResourceDefinition<k8s.ClusterRole> = defineResource<k8s.ClusterRole>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterroles',
  {
    columns: [createdAt],
    strategy: clusterRoleStrategy,
  },
)
/** Who has a role in a namespace. */
export const roleBindings: ResourceDefinition<k8s.RoleBinding> = defineResource<k8s.RoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'rolebindings',
  {
    columns: bindingColumns<k8s.RoleBinding>(),
    strategy: roleBindingStrategy,
  },
)
/** Who has a role everywhere. */
export const clusterRoleBindings: ResourceDefinition<k8s.ClusterRoleBinding> = defineResource<k8s.ClusterRoleBinding>(
  'rbac.authorization.k8s.io',
  'v1',
  'clusterrolebindings',
  {
    columns: bindingColumns<k8s.ClusterRoleBinding>(),
    strategy: clusterRoleBindingStrategy,
  },
)

function bindingColumns<T extends k8s.RoleBinding | k8s.ClusterRoleBinding>() {
  const names = (binding: T, kind: string): string =>
    (binding.subjects ?? [])
      .filter((subject) => subject.kind === kind)
      .map((subject) => (kind === 'ServiceAccount' ? `${subject.namespace}/${subject.name}` : subject.name))
      .join(', ')
  return [
    column<T>('Role', (binding) => `${binding.roleRef.kind}/${binding.roleRef.name}`),
    ageColumn,
    column<T>('Users', (binding) => names(binding, 'User'), { wide: true }),
    column<T>('Groups', (binding) => names(binding, 'Group'), { wide: true }),
    column<T>('ServiceAccounts', (binding) => names(binding, 'ServiceAccount'), { wide: true }),
  ]
}

/** A request for a certificate. */
export const certificateSigningRequests: ResourceDefinition<k8s.CertificateSigningRequest> =
  defineResource<k8s.CertificateSigningRequest>('certificates.k8s.io', 'v1', 'certificatesigningrequests', {
    shortNames: ['csr'],
    strategy: certificateSigningRequestStrategy,
    selectableFields: ['spec.signerName'],
    columns: [
      ageColumn,
      column('SignerName', (request: k8s.CertificateSigningRequest) => request.spec.signerName),
      column('Requestor', (request: k8s.CertificateSigningRequest) => request.spec.username ?? ''),
      column('RequestedDuration', (request: k8s.CertificateSigningRequest) =>
        request.spec.expirationSeconds === undefined ? '<none>' : `${request.spec.expirationSeconds}s`,
      ),
      column('Condition', (request: k8s.CertificateSigningRequest) => {
        const conditions = request.status?.conditions ?? []
        const words = ['Approved', 'Denied', 'Failed'].filter((type) =>
          conditions.some((condition) => condition.type === type),
        )
        if (request.status?.certificate) words.push('Issued')
        return words.length === 0 ? 'Pending' : words.join(',')
      }),
    ],
  })

/** An API that another server serves. */
export const apiServices: ResourceDefinition<k8s.APIService> = defineResource<k8s.APIService>(
  'apiregistration.k8s.io',
  'v1',
  'apiservices',
  {
    categories: ['api-extensions'],
    columns: [
      column('Service', (service: k8s.APIService) =>
        service.spec?.service === undefined
          ? 'Local'
          : `${service.spec.service.namespace}/${service.spec.service.name}`,
      ),
      column('Available', (service: k8s.APIService) =>
        isConditionTrue(service.status?.conditions, 'Available') ? 'True' : 'False',
      ),
      ageColumn,
    ],
  },
)

type WebhookConfiguration = k8s.ValidatingWebhookConfiguration | k8s.MutatingWebhookConfiguration
const webhookColumns = [
  integerColumn('Webhooks', (configuration: WebhookConfiguration) => configuration.webhooks?.length),
  ageColumn,
]

/** Webhooks that may refuse writes. */
export const validatingWebhookConfigurations: ResourceDefinition<k8s.ValidatingWebhookConfiguration> =
  defineResource<k8s.ValidatingWebhookConfiguration>(
    'admissionregistration.k8s.io',
    'v1',
    'validatingwebhookconfigurations',
    { categories: ['api-extensions'], columns: webhookColumns },
  )
/** Webhooks that may change what is written. */
export const mutatingWebhookConfigurations: ResourceDefinition<k8s.MutatingWebhookConfiguration> =
  defineResource<k8s.MutatingWebhookConfiguration>(
    'admissionregistration.k8s.io',
    'v1',
    'mutatingwebhookconfigurations',
    { categories: ['api-extensions'], columns: webhookColumns },
  )
/** Rules in CEL that may refuse writes. */
export const validatingAdmissionPolicies: ResourceDefinition<k8s.ValidatingAdmissionPolicy> =
  defineResource<k8s.ValidatingAdmissionPolicy>('admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicies', {
    strategy: validatingAdmissionPolicyStrategy,
    categories: ['api-extensions'],
    columns: [
      integerColumn('Validations', (policy: k8s.ValidatingAdmissionPolicy) => policy.spec?.validations?.length),
      column('ParamKind', (policy: k8s.ValidatingAdmissionPolicy) =>
        policy.spec?.paramKind === undefined
          ? '<unset>'
          : `${policy.spec.paramKind.apiVersion}/${policy.spec.paramKind.kind}`,
      ),
      ageColumn,
    ],
  })
/** Puts a policy into force, with parameters where it takes some. */
export const validatingAdmissionPolicyBindings: ResourceDefinition<k8s.ValidatingAdmissionPolicyBinding> =
  defineResource<k8s.ValidatingAdmissionPolicyBinding>(
    'admissionregistration.k8s.io',
    'v1',
    'validatingadmissionpolicybindings',
    {
      strategy: validatingAdmissionPolicyBindingStrategy,
      categories: ['api-extensions'],
      columns: [
        column('PolicyName', (binding: k8s.ValidatingAdmissionPolicyBinding) => binding.spec?.policyName ?? ''),
        column('ParamRef', (binding: k8s.ValidatingAdmissionPolicyBinding) => paramRefText(binding.spec?.paramRef)),
        ageColumn,
      ],
    },
  )

function paramRefText(paramRef: k8s.ParamRef | undefined): string {
  if (paramRef === undefined) return '<unset>'
  const { namespace, name } = paramRef
  if (name) return namespace ? `${namespace}/${name}` : `*/${name}`
  return '*'
}

/** A queue of requests. */
export const flowSchemas: ResourceDefinition<k8s.FlowSchema> = defineResource<k8s.FlowSchema>(
  'flowcontrol.apiserver.k8s.io',
  'v1',
  'flowschemas',
  {
    columns: [
      column('PriorityLevel', (schema: k8s.FlowSchema) => schema.spec?.priorityLevelConfiguration.name ?? ''),
      integerColumn('MatchingPrecedence', (schema: k8s.FlowSchema) => schema.spec?.matchingPrecedence),
      column('DistinguisherMethod', (schema: k8s.FlowSchema) => schema.spec?.distinguisherMethod?.type ?? '<none>'),
      ageColumn,
      column(
        'MissingPL',
        (schema: k8s.FlowSchema) =>
          schema.status?.conditions?.find((condition) => condition.type === 'Dangling')?.status ?? '?',
      ),
    ],
  },
)
/** How many requests of a priority run at once. */
export const priorityLevelConfigurations: ResourceDefinition<k8s.PriorityLevelConfiguration> =
  defineResource<k8s.PriorityLevelConfiguration>('flowcontrol.apiserver.k8s.io', 'v1', 'prioritylevelconfigurations', {
    columns: [
      column('Type', (level: k8s.PriorityLevelConfiguration) => level.spec?.type ?? ''),
      column(
        'NominalConcurrencyShares',
        (level: k8s.PriorityLevelConfiguration) => level.spec?.limited?.nominalConcurrencyShares ?? '<none>',
      ),
      column(
        'Queues',
        (level: k8s.PriorityLevelConfiguration) => level.spec?.limited?.limitResponse?.queuing?.queues ?? '<none>',
      ),
      column(
        'HandSize',
        (level: k8s.PriorityLevelConfiguration) => level.spec?.limited?.limitResponse?.queuing?.handSize ?? '<none>',
      ),
      column(
        'QueueLengthLimit',
        (level: k8s.PriorityLevelConfiguration) =>
          level.spec?.limited?.limitResponse?.queuing?.queueLengthLimit ?? '<none>',
      ),
      ageColumn,
    ],
  })
/** Devices that a pod asked for. */
export const resourceClaims: ResourceDefinition<k8s.ResourceClaimV1> = defineResource<k8s.ResourceClaimV1>(
  'resource.k8s.io',
  'v1',
  'resourceclaims',
  {
    columns: [column('State', (claim: k8s.ResourceClaimV1) => claimState(claim)), ageColumn],
    strategy: resourceClaimStrategy,
  },
)
/** The claims that are made for each pod that names it. */
export const resourceClaimTemplates: ResourceDefinition<k8s.ResourceClaimTemplate> =
  defineResource<k8s.ResourceClaimTemplate>('resource.k8s.io', 'v1', 'resourceclaimtemplates', {
    strategy: resourceClaimTemplateStrategy,
  })

/** What devices of a kind are, for claims to name. */
export const deviceClasses: ResourceDefinition<k8s.DeviceClass> = defineResource<k8s.DeviceClass>(
  'resource.k8s.io',
  'v1',
  'deviceclasses',
  { strategy: deviceClassStrategy },
)

function claimState(claim: k8s.ResourceClaimV1): string {
  const words = [
    claim.metadata.deletionTimestamp === undefined ? '' : 'deleted',
    claim.status?.allocation === undefined ? '' : 'allocated',
    (claim.status?.reservedFor ?? []).length > 0 ? 'reserved' : '',
  ].filter((word) => word !== '')
  return words.length === 0 ? 'pending' : words.join(',')
}

/** Free capacity of a storage class. */
export const csiStorageCapacities: ResourceDefinition<k8s.CSIStorageCapacity> = defineResource<k8s.CSIStorageCapacity>(
  'storage.k8s.io',
  'v1',
  'csistoragecapacities',
  {
    columns: [
      column('StorageClassName', (capacity: k8s.CSIStorageCapacity) => capacity.storageClassName),
      column('Capacity', (capacity: k8s.CSIStorageCapacity) => capacity.capacity ?? ''),
      column('Created', (capacity: k8s.CSIStorageCapacity, nowMs) => ageOf(capacity.metadata.creationTimestamp, nowMs)),
    ],
  },
)
