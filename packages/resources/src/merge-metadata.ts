/**
 * How lists merge: facts of the Kubernetes API that its published type packages leave out. One line a type:
 * `Type: field=mergeKey[serverSideApplyKeys] …`. A field without keys in brackets has the merge key as its only one; `()` instead of
 * keys means atomic for server-side apply; `~` adds `retainKeys`; `{set}` marks a merged list of primitives.
 */
const mergeLists = `
core.v1.Container: ports=containerPort[containerPort,protocol] env=name volumeMounts=mountPath volumeDevices=devicePath
core.v1.EphemeralContainer: ports=containerPort[containerPort,protocol] env=name volumeMounts=mountPath volumeDevices=devicePath
core.v1.PodSpec: containers=name initContainers=name ephemeralContainers=name imagePullSecrets=name schedulingGates=name volumes=name~ resourceClaims=name~ hostAliases=ip topologySpreadConstraints=topologyKey[topologyKey,whenUnsatisfiable]
core.v1.PodStatus: conditions=type podIPs=ip hostIPs=ip() resourceClaimStatuses=name~
core.v1.ContainerStatus: volumeMounts=mountPath allocatedResourcesStatus=name
core.v1.ServiceSpec: ports=port[port,protocol]
core.v1.ServiceStatus: conditions=type
core.v1.ServiceAccount: secrets=name
core.v1.NodeSpec: podCIDRs={set}
core.v1.NodeStatus: conditions=type addresses=type
core.v1.NamespaceStatus: conditions=type
core.v1.ReplicationControllerStatus: conditions=type
core.v1.PersistentVolumeClaimStatus: conditions=type
meta.v1.ObjectMeta: ownerReferences=uid finalizers={set}
apps.v1.DeploymentStatus: conditions=type
apps.v1.ReplicaSetStatus: conditions=type
apps.v1.StatefulSetStatus: conditions=type
apps.v1.DaemonSetStatus: conditions=type
batch.v1.JobStatus: conditions=type()
autoscaling.v2.HorizontalPodAutoscalerStatus: conditions=type
policy.v1.PodDisruptionBudgetStatus: conditions=type
networking.v1.ServiceCIDRStatus: conditions=type
storage.v1.CSINodeSpec: drivers=name
resource.v1.ResourceClaimStatus: reservedFor=uid
flowcontrol.v1.FlowSchemaStatus: conditions=type
flowcontrol.v1.PriorityLevelConfigurationStatus: conditions=type
apiregistration.v1.APIServiceStatus: conditions=type
apiextensions.v1.JSONSchemaProps: x-kubernetes-validations=rule
admissionregistration.v1.ValidatingWebhookConfiguration: webhooks=name
admissionregistration.v1.MutatingWebhookConfiguration: webhooks=name
admissionregistration.v1.ValidatingWebhook: matchConditions=name
admissionregistration.v1.MutatingWebhook: matchConditions=name
admissionregistration.v1.ValidatingAdmissionPolicySpec: matchConditions=name variables=name
admissionregistration.v1.MutatingAdmissionPolicySpec: matchConditions=name
`

/** Lists that merge by keys in server-side apply only. */
const applyLists = `
admissionregistration.v1.ValidatingAdmissionPolicyStatus: conditions=type
certificates.v1.CertificateSigningRequestStatus: conditions=type
apiextensions.v1.CustomResourceDefinitionStatus: conditions=type
resource.v1.AllocatedDeviceStatus: conditions=type
core.v1.ResourceRequirements: claims=name
core.v1.ResourceStatus: resources=resourceID
resource.v1.ResourceClaimStatus: devices=driver[driver,device,pool,shareID]
`

/** Lists of primitives that are sets in server-side apply. */
const applySets = `
discovery.v1.Endpoint: addresses
storage.v1.CSIDriverSpec: volumeLifecycleModes
batch.v1.PodFailurePolicyOnExitCodesRequirement: values
batch.v1.UncountedTerminatedPods: succeeded failed
admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec: validationActions
flowcontrol.v1.ResourcePolicyRule: verbs apiGroups resources namespaces
flowcontrol.v1.NonResourcePolicyRule: verbs nonResourceURLs
`

/** Maps that are atomic in server-side apply. */
const atomicMaps = `
core.v1.PodSpec: nodeSelector
core.v1.ReplicationControllerSpec: selector
core.v1.ServiceSpec: selector
node.v1.Scheduling: nodeSelector
`

/** Types whose objects are one value in server-side apply: they are owned and replaced as a whole. */
export const atomicTypes: ReadonlySet<string> = new Set([
  ...[
    'ConfigMapKeySelector',
    'SecretKeySelector',
    'ObjectFieldSelector',
    'ResourceFieldSelector',
    'FileKeySelector',
  ].map((name) => `core.v1.${name}`),
  ...['LocalObjectReference', 'ObjectReference', 'TypedLocalObjectReference', 'SecretReference'].map(
    (name) => `core.v1.${name}`,
  ),
  ...['NodeSelector', 'NodeSelectorTerm', 'ScopedResourceSelectorRequirement', 'TopologySelectorTerm'].map(
    (name) => `core.v1.${name}`,
  ),
  ...['ScopeSelector', 'EndpointAddress', 'EndpointPort'].map((name) => `core.v1.${name}`),
  ...[
    'meta.v1.LabelSelector',
    'meta.v1.OwnerReference',
    'discovery.v1.EndpointPort',
    'rbac.v1.RoleRef',
    'rbac.v1.Subject',
  ],
  ...['MatchResources', 'NamedRuleWithOperations', 'ParamKind', 'ParamRef'].map(
    (name) => `admissionregistration.v1.${name}`,
  ),
])

/** Fields with a strategy that is not a list merge, and defaults that OpenAPI has to tell because merge keys depend on them. */
const fieldStrategies: Record<string, FieldMerge> = {
  'apps.v1.DeploymentSpec/strategy': { patchStrategy: ['retainKeys'] },
  'policy.v1.PodDisruptionBudgetSpec/selector': { patchStrategy: ['replace'] },
  'core.v1.ContainerPort/protocol': { default: 'TCP' },
  'core.v1.ServicePort/protocol': { default: 'TCP' },
}

/** What the table says of one field. */
export interface FieldMerge {
  readonly patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[]
  readonly patchMergeKey?: string
  readonly listType?: 'atomic' | 'set' | 'map'
  readonly listMapKeys?: readonly string[]
  readonly mapType?: 'atomic'
  readonly default?: unknown
}

function* lines(table: string): Generator<readonly [type: string, fields: readonly string[]]> {
  for (const line of table.trim().split('\n')) {
    const [type = '', fields = ''] = line.split(': ')
    yield [type, fields.split(' ')]
  }
}

function parseMerge(rule: string, strategic: boolean): FieldMerge {
  if (rule === '{set}') return { patchStrategy: ['merge'], listType: 'set' }
  const match = /^([^~[(]+)(~)?(\[([^\]]+)\]|\(\))?$/.exec(rule)
  if (match === null) throw new Error(`merge table: cannot read '${rule}'`)
  const [, key = '', retain, brackets, keys] = match
  const patch = strategic
    ? {
        patchMergeKey: key,
        patchStrategy: retain === undefined ? (['merge'] as const) : (['merge', 'retainKeys'] as const),
      }
    : {}
  return brackets === '()'
    ? { ...patch, listType: 'atomic' }
    : { ...patch, listType: 'map', listMapKeys: keys?.split(',') ?? [key] }
}

function parse(): ReadonlyMap<string, FieldMerge> {
  const table = new Map<string, FieldMerge>(Object.entries(fieldStrategies))
  for (const [strategic, text] of [
    [true, mergeLists],
    [false, applyLists],
  ] as const) {
    for (const [type, fields] of lines(text)) {
      for (const field of fields) {
        const [name = '', rule = ''] = field.split(/=(.*)/s)
        table.set(`${type}/${name}`, parseMerge(rule, strategic))
      }
    }
  }
  for (const [type, fields] of lines(applySets))
    for (const field of fields) table.set(`${type}/${field}`, { listType: 'set' })
  for (const [type, fields] of lines(atomicMaps))
    for (const field of fields) table.set(`${type}/${field}`, { mapType: 'atomic' })
  return table
}

/** The table, by `group.version.Type/field`. */
export const mergeMetadata: ReadonlyMap<string, FieldMerge> = parse()
