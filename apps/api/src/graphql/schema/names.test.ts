import { builtInRegistry } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { KindTypes } from './kind-types.ts'
import { fieldName, lowerFirst } from './names.ts'

/** Names are part of the API: a name that changes breaks every client that uses it. */

const registry = builtInRegistry({ 'api/all': true })
const types = new KindTypes(registry)

describe('the names of kinds', () => {
  it('are those of this table, for ever', () => {
    const names = registry.all.map((definition) => {
      const { group, version, plural } = definition
      const { type, one, many, events, plural: pluralType } = types.names.rootOf(definition)
      const fields = definition.virtual === true ? [] : [one, many, events, pluralType]
      return [`${group === '' ? '' : `${group}/`}${version}/${plural}`, type, ...fields].join(' ')
    })
    expect(names).toEqual(frozen.trim().split('\n'))
  })

  it('do not depend on what is served', () => {
    const few = new KindTypes(builtInRegistry({ 'api/all': false, v1: true }))
    for (const definition of registry.all) expect(few.names.rootOf(definition)).toEqual(types.names.rootOf(definition))
  })

  it('are different for any two kinds, and so are their root fields', () => {
    const used = new Map<string, string>()
    for (const definition of registry.all) {
      const { type, one, many, events } = types.names.rootOf(definition)
      for (const name of new Set([`type ${type}`, `query ${one}`, `query ${many}`, `subscription ${events}`])) {
        const identity = `${definition.group}/${definition.version}/${definition.plural}`
        expect([name, used.get(name) ?? identity]).toEqual([name, identity])
        used.set(name, identity)
      }
      expect(one).not.toBe(many)
    }
  })

  it('begin with the small form of an acronym', () => {
    expect(['Pod', 'APIService', 'CSINode', 'CSIDriver', 'IPAddress', 'ConfigMap'].map(lowerFirst)).toEqual([
      'pod',
      'apiService',
      'csiNode',
      'csiDriver',
      'ipAddress',
      'configMap',
    ])
  })
})

describe('the names of fields', () => {
  // The way back, as a client that has only the schema would go it.
  const wireName = (name: string): string =>
    name.replace(/_x([0-9a-f]+)_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))

  it('are those on the wire wherever GraphQL allows that', () => {
    expect(['podIP', 'x', 'clusterIPs', '_a', 'a1'].map(fieldName)).toEqual(['podIP', 'x', 'clusterIPs', '_a', 'a1'])
  })

  it('escape everything else, and lead back', () => {
    expect(fieldName('$ref')).toBe('_x24_ref')
    for (const name of ['$ref', '$schema', 'x-kubernetes-list-type', '3scale', 'a.b/c', 'ü-mlaut', '0', '-'])
      expect([fieldName(name), wireName(fieldName(name))]).toEqual([
        expect.stringMatching(/^[_A-Za-z][_0-9A-Za-z]*$/),
        name,
      ])
  })

  it('are different and valid in every schema that there is', () => {
    const seen = new Set<string>()
    const walk = (schemaName: string): void => {
      if (seen.has(schemaName)) return
      seen.add(schemaName)
      const { fields } = registry.schemas(schemaName)
      const names = fields.map((field) => fieldName(field.name))
      expect([schemaName, new Set(names).size]).toEqual([schemaName, fields.length])
      for (const [i, name] of names.entries()) {
        expect(name).toMatch(/^(?!__)[_A-Za-z][_0-9A-Za-z]*$/)
        expect(wireName(name)).toBe(fields[i]?.name)
      }
      for (let { type } of fields) {
        while (type.kind === 'list' || type.kind === 'map') type = type.of
        if (type.kind === 'object') walk(type.name)
      }
    }
    for (const definition of registry.all) walk(definition.schema.name)
    expect(seen.size).toBeGreaterThan(500)
  })
})

// group/version/resource, type, one, many, events, and the plural of deleteMany mutations; kinds that are not stored have a type only.
const frozen = `
v1/bindings Binding
v1/configmaps ConfigMap configMap configMaps configMapEvents ConfigMaps
v1/endpoints Endpoints endpoints endpointsList endpointsEvents EndpointsList
v1/events Event event events eventEvents Events
v1/limitranges LimitRange limitRange limitRanges limitRangeEvents LimitRanges
v1/namespaces Namespace namespace namespaces namespaceEvents Namespaces
v1/nodes Node node nodes nodeEvents Nodes
v1/persistentvolumeclaims PersistentVolumeClaim persistentVolumeClaim persistentVolumeClaims persistentVolumeClaimEvents PersistentVolumeClaims
v1/persistentvolumes PersistentVolume persistentVolume persistentVolumes persistentVolumeEvents PersistentVolumes
v1/pods Pod pod pods podEvents Pods
v1/podtemplates PodTemplate podTemplate podTemplates podTemplateEvents PodTemplates
v1/replicationcontrollers ReplicationController replicationController replicationControllers replicationControllerEvents ReplicationControllers
v1/resourcequotas ResourceQuota resourceQuota resourceQuotas resourceQuotaEvents ResourceQuotas
v1/secrets Secret secret secrets secretEvents Secrets
v1/serviceaccounts ServiceAccount serviceAccount serviceAccounts serviceAccountEvents ServiceAccounts
v1/services Service service services serviceEvents Services
apps/v1/controllerrevisions ControllerRevision controllerRevision controllerRevisions controllerRevisionEvents ControllerRevisions
apps/v1/daemonsets DaemonSet daemonSet daemonSets daemonSetEvents DaemonSets
apps/v1/deployments Deployment deployment deployments deploymentEvents Deployments
apps/v1/replicasets ReplicaSet replicaSet replicaSets replicaSetEvents ReplicaSets
apps/v1/statefulsets StatefulSet statefulSet statefulSets statefulSetEvents StatefulSets
events.k8s.io/v1/events Event_events_k8s_io_v1 event_events_k8s_io_v1 events_events_k8s_io_v1 eventEvents_events_k8s_io_v1 Events_events_k8s_io_v1
authentication.k8s.io/v1/selfsubjectreviews SelfSubjectReview
authentication.k8s.io/v1/tokenreviews TokenReview
authorization.k8s.io/v1/localsubjectaccessreviews LocalSubjectAccessReview
authorization.k8s.io/v1/selfsubjectaccessreviews SelfSubjectAccessReview
authorization.k8s.io/v1/selfsubjectrulesreviews SelfSubjectRulesReview
authorization.k8s.io/v1/subjectaccessreviews SubjectAccessReview
autoscaling/v2/horizontalpodautoscalers HorizontalPodAutoscaler horizontalPodAutoscaler horizontalPodAutoscalers horizontalPodAutoscalerEvents HorizontalPodAutoscalers
autoscaling/v1/horizontalpodautoscalers HorizontalPodAutoscaler_autoscaling_v1 horizontalPodAutoscaler_autoscaling_v1 horizontalPodAutoscalers_autoscaling_v1 horizontalPodAutoscalerEvents_autoscaling_v1 HorizontalPodAutoscalers_autoscaling_v1
batch/v1/cronjobs CronJob cronJob cronJobs cronJobEvents CronJobs
batch/v1/jobs Job job jobs jobEvents Jobs
certificates.k8s.io/v1/certificatesigningrequests CertificateSigningRequest certificateSigningRequest certificateSigningRequests certificateSigningRequestEvents CertificateSigningRequests
certificates.k8s.io/v1beta1/clustertrustbundles ClusterTrustBundle clusterTrustBundle clusterTrustBundles clusterTrustBundleEvents ClusterTrustBundles
certificates.k8s.io/v1beta1/podcertificaterequests PodCertificateRequest podCertificateRequest podCertificateRequests podCertificateRequestEvents PodCertificateRequests
certificates.k8s.io/v1alpha1/clustertrustbundles ClusterTrustBundle_certificates_k8s_io_v1alpha1 clusterTrustBundle_certificates_k8s_io_v1alpha1 clusterTrustBundles_certificates_k8s_io_v1alpha1 clusterTrustBundleEvents_certificates_k8s_io_v1alpha1 ClusterTrustBundles_certificates_k8s_io_v1alpha1
networking.k8s.io/v1/ingressclasses IngressClass ingressClass ingressClasses ingressClassEvents IngressClasses
networking.k8s.io/v1/ingresses Ingress ingress ingresses ingressEvents Ingresses
networking.k8s.io/v1/ipaddresses IPAddress ipAddress ipAddresses ipAddressEvents IPAddresses
networking.k8s.io/v1/networkpolicies NetworkPolicy networkPolicy networkPolicies networkPolicyEvents NetworkPolicies
networking.k8s.io/v1/servicecidrs ServiceCIDR serviceCIDR serviceCIDRs serviceCIDREvents ServiceCIDRs
networking.k8s.io/v1beta1/ipaddresses IPAddress_networking_k8s_io_v1beta1 ipAddress_networking_k8s_io_v1beta1 ipAddresses_networking_k8s_io_v1beta1 ipAddressEvents_networking_k8s_io_v1beta1 IPAddresses_networking_k8s_io_v1beta1
networking.k8s.io/v1beta1/servicecidrs ServiceCIDR_networking_k8s_io_v1beta1 serviceCIDR_networking_k8s_io_v1beta1 serviceCIDRs_networking_k8s_io_v1beta1 serviceCIDREvents_networking_k8s_io_v1beta1 ServiceCIDRs_networking_k8s_io_v1beta1
policy/v1/poddisruptionbudgets PodDisruptionBudget podDisruptionBudget podDisruptionBudgets podDisruptionBudgetEvents PodDisruptionBudgets
rbac.authorization.k8s.io/v1/clusterrolebindings ClusterRoleBinding clusterRoleBinding clusterRoleBindings clusterRoleBindingEvents ClusterRoleBindings
rbac.authorization.k8s.io/v1/clusterroles ClusterRole clusterRole clusterRoles clusterRoleEvents ClusterRoles
rbac.authorization.k8s.io/v1/rolebindings RoleBinding roleBinding roleBindings roleBindingEvents RoleBindings
rbac.authorization.k8s.io/v1/roles Role role roles roleEvents Roles
storage.k8s.io/v1/csidrivers CSIDriver csiDriver csiDrivers csiDriverEvents CSIDrivers
storage.k8s.io/v1/csinodes CSINode csiNode csiNodes csiNodeEvents CSINodes
storage.k8s.io/v1/csistoragecapacities CSIStorageCapacity csiStorageCapacity csiStorageCapacities csiStorageCapacityEvents CSIStorageCapacities
storage.k8s.io/v1/storageclasses StorageClass storageClass storageClasses storageClassEvents StorageClasses
storage.k8s.io/v1/volumeattachments VolumeAttachment volumeAttachment volumeAttachments volumeAttachmentEvents VolumeAttachments
storage.k8s.io/v1/volumeattributesclasses VolumeAttributesClass volumeAttributesClass volumeAttributesClasses volumeAttributesClassEvents VolumeAttributesClasses
storage.k8s.io/v1beta1/volumeattributesclasses VolumeAttributesClass_storage_k8s_io_v1beta1 volumeAttributesClass_storage_k8s_io_v1beta1 volumeAttributesClasses_storage_k8s_io_v1beta1 volumeAttributesClassEvents_storage_k8s_io_v1beta1 VolumeAttributesClasses_storage_k8s_io_v1beta1
admissionregistration.k8s.io/v1/mutatingadmissionpolicies MutatingAdmissionPolicy mutatingAdmissionPolicy mutatingAdmissionPolicies mutatingAdmissionPolicyEvents MutatingAdmissionPolicies
admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding mutatingAdmissionPolicyBinding mutatingAdmissionPolicyBindings mutatingAdmissionPolicyBindingEvents MutatingAdmissionPolicyBindings
admissionregistration.k8s.io/v1/mutatingwebhookconfigurations MutatingWebhookConfiguration mutatingWebhookConfiguration mutatingWebhookConfigurations mutatingWebhookConfigurationEvents MutatingWebhookConfigurations
admissionregistration.k8s.io/v1/validatingadmissionpolicies ValidatingAdmissionPolicy validatingAdmissionPolicy validatingAdmissionPolicies validatingAdmissionPolicyEvents ValidatingAdmissionPolicies
admissionregistration.k8s.io/v1/validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding validatingAdmissionPolicyBinding validatingAdmissionPolicyBindings validatingAdmissionPolicyBindingEvents ValidatingAdmissionPolicyBindings
admissionregistration.k8s.io/v1/validatingwebhookconfigurations ValidatingWebhookConfiguration validatingWebhookConfiguration validatingWebhookConfigurations validatingWebhookConfigurationEvents ValidatingWebhookConfigurations
admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies MutatingAdmissionPolicy_admissionregistration_k8s_io_v1beta1 mutatingAdmissionPolicy_admissionregistration_k8s_io_v1beta1 mutatingAdmissionPolicies_admissionregistration_k8s_io_v1beta1 mutatingAdmissionPolicyEvents_admissionregistration_k8s_io_v1beta1 MutatingAdmissionPolicies_admissionregistration_k8s_io_v1beta1
admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding_admissionregistration_k8s_io_v1beta1 mutatingAdmissionPolicyBinding_admissionregistration_k8s_io_v1beta1 mutatingAdmissionPolicyBindings_admissionregistration_k8s_io_v1beta1 mutatingAdmissionPolicyBindingEvents_admissionregistration_k8s_io_v1beta1 MutatingAdmissionPolicyBindings_admissionregistration_k8s_io_v1beta1
admissionregistration.k8s.io/v1alpha1/mutatingadmissionpolicies MutatingAdmissionPolicy_admissionregistration_k8s_io_v1alpha1 mutatingAdmissionPolicy_admissionregistration_k8s_io_v1alpha1 mutatingAdmissionPolicies_admissionregistration_k8s_io_v1alpha1 mutatingAdmissionPolicyEvents_admissionregistration_k8s_io_v1alpha1 MutatingAdmissionPolicies_admissionregistration_k8s_io_v1alpha1
admissionregistration.k8s.io/v1alpha1/mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding_admissionregistration_k8s_io_v1alpha1 mutatingAdmissionPolicyBinding_admissionregistration_k8s_io_v1alpha1 mutatingAdmissionPolicyBindings_admissionregistration_k8s_io_v1alpha1 mutatingAdmissionPolicyBindingEvents_admissionregistration_k8s_io_v1alpha1 MutatingAdmissionPolicyBindings_admissionregistration_k8s_io_v1alpha1
apiextensions.k8s.io/v1/customresourcedefinitions CustomResourceDefinition customResourceDefinition customResourceDefinitions customResourceDefinitionEvents CustomResourceDefinitions
scheduling.k8s.io/v1/priorityclasses PriorityClass priorityClass priorityClasses priorityClassEvents PriorityClasses
scheduling.k8s.io/v1alpha2/podgroups PodGroup podGroup podGroups podGroupEvents PodGroups
scheduling.k8s.io/v1alpha2/workloads Workload workload workloads workloadEvents Workloads
coordination.k8s.io/v1/leases Lease lease leases leaseEvents Leases
coordination.k8s.io/v1beta1/leasecandidates LeaseCandidate leaseCandidate leaseCandidates leaseCandidateEvents LeaseCandidates
coordination.k8s.io/v1alpha2/leasecandidates LeaseCandidate_coordination_k8s_io_v1alpha2 leaseCandidate_coordination_k8s_io_v1alpha2 leaseCandidates_coordination_k8s_io_v1alpha2 leaseCandidateEvents_coordination_k8s_io_v1alpha2 LeaseCandidates_coordination_k8s_io_v1alpha2
node.k8s.io/v1/runtimeclasses RuntimeClass runtimeClass runtimeClasses runtimeClassEvents RuntimeClasses
discovery.k8s.io/v1/endpointslices EndpointSlice endpointSlice endpointSlices endpointSliceEvents EndpointSlices
flowcontrol.apiserver.k8s.io/v1/flowschemas FlowSchema flowSchema flowSchemas flowSchemaEvents FlowSchemas
flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations PriorityLevelConfiguration priorityLevelConfiguration priorityLevelConfigurations priorityLevelConfigurationEvents PriorityLevelConfigurations
resource.k8s.io/v1/deviceclasses DeviceClass deviceClass deviceClasses deviceClassEvents DeviceClasses
resource.k8s.io/v1/resourceclaims ResourceClaim resourceClaim resourceClaims resourceClaimEvents ResourceClaims
resource.k8s.io/v1/resourceclaimtemplates ResourceClaimTemplate resourceClaimTemplate resourceClaimTemplates resourceClaimTemplateEvents ResourceClaimTemplates
resource.k8s.io/v1/resourceslices ResourceSlice resourceSlice resourceSlices resourceSliceEvents ResourceSlices
resource.k8s.io/v1beta2/deviceclasses DeviceClass_resource_k8s_io_v1beta2 deviceClass_resource_k8s_io_v1beta2 deviceClasses_resource_k8s_io_v1beta2 deviceClassEvents_resource_k8s_io_v1beta2 DeviceClasses_resource_k8s_io_v1beta2
resource.k8s.io/v1beta2/devicetaintrules DeviceTaintRule deviceTaintRule deviceTaintRules deviceTaintRuleEvents DeviceTaintRules
resource.k8s.io/v1beta2/resourceclaims ResourceClaim_resource_k8s_io_v1beta2 resourceClaim_resource_k8s_io_v1beta2 resourceClaims_resource_k8s_io_v1beta2 resourceClaimEvents_resource_k8s_io_v1beta2 ResourceClaims_resource_k8s_io_v1beta2
resource.k8s.io/v1beta2/resourceclaimtemplates ResourceClaimTemplate_resource_k8s_io_v1beta2 resourceClaimTemplate_resource_k8s_io_v1beta2 resourceClaimTemplates_resource_k8s_io_v1beta2 resourceClaimTemplateEvents_resource_k8s_io_v1beta2 ResourceClaimTemplates_resource_k8s_io_v1beta2
resource.k8s.io/v1beta2/resourceslices ResourceSlice_resource_k8s_io_v1beta2 resourceSlice_resource_k8s_io_v1beta2 resourceSlices_resource_k8s_io_v1beta2 resourceSliceEvents_resource_k8s_io_v1beta2 ResourceSlices_resource_k8s_io_v1beta2
resource.k8s.io/v1beta1/deviceclasses DeviceClass_resource_k8s_io_v1beta1 deviceClass_resource_k8s_io_v1beta1 deviceClasses_resource_k8s_io_v1beta1 deviceClassEvents_resource_k8s_io_v1beta1 DeviceClasses_resource_k8s_io_v1beta1
resource.k8s.io/v1beta1/resourceclaims ResourceClaim_resource_k8s_io_v1beta1 resourceClaim_resource_k8s_io_v1beta1 resourceClaims_resource_k8s_io_v1beta1 resourceClaimEvents_resource_k8s_io_v1beta1 ResourceClaims_resource_k8s_io_v1beta1
resource.k8s.io/v1beta1/resourceclaimtemplates ResourceClaimTemplate_resource_k8s_io_v1beta1 resourceClaimTemplate_resource_k8s_io_v1beta1 resourceClaimTemplates_resource_k8s_io_v1beta1 resourceClaimTemplateEvents_resource_k8s_io_v1beta1 ResourceClaimTemplates_resource_k8s_io_v1beta1
resource.k8s.io/v1beta1/resourceslices ResourceSlice_resource_k8s_io_v1beta1 resourceSlice_resource_k8s_io_v1beta1 resourceSlices_resource_k8s_io_v1beta1 resourceSliceEvents_resource_k8s_io_v1beta1 ResourceSlices_resource_k8s_io_v1beta1
resource.k8s.io/v1alpha3/devicetaintrules DeviceTaintRule_resource_k8s_io_v1alpha3 deviceTaintRule_resource_k8s_io_v1alpha3 deviceTaintRules_resource_k8s_io_v1alpha3 deviceTaintRuleEvents_resource_k8s_io_v1alpha3 DeviceTaintRules_resource_k8s_io_v1alpha3
resource.k8s.io/v1alpha3/resourcepoolstatusrequests ResourcePoolStatusRequest resourcePoolStatusRequest resourcePoolStatusRequests resourcePoolStatusRequestEvents ResourcePoolStatusRequests
apiregistration.k8s.io/v1/apiservices APIService apiService apiServices apiServiceEvents APIServices
internal.apiserver.k8s.io/v1alpha1/storageversions StorageVersion storageVersion storageVersions storageVersionEvents StorageVersions
metrics.binnacle.dev/v1/nodeusages NodeUsage nodeUsage nodeUsages nodeUsageEvents NodeUsages
metrics.k8s.io/v1beta1/nodes NodeMetrics nodeMetrics nodeMetricsList nodeMetricsEvents NodeMetricsList
metrics.k8s.io/v1beta1/pods PodMetrics podMetrics podMetricsList podMetricsEvents PodMetricsList
storagemigration.k8s.io/v1beta1/storageversionmigrations StorageVersionMigration storageVersionMigration storageVersionMigrations storageVersionMigrationEvents StorageVersionMigrations
`
