import type { AnyObject } from './live-object.ts'

/** Another object that this one names. */
export interface Reference {
  /** What it is to this object: `Node`, `ConfigMap`. */
  readonly role: string
  /** `nodes`, `storageclasses.storage.k8s.io`: the resource, as paths name it. */
  readonly resource: string
  /** '' for cluster-scoped objects. */
  readonly namespace: string
  readonly name: string
}

/** Objects that belong to this one by a selector: a live table. */
export interface Related {
  readonly title: string
  readonly resource: string
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[]
  readonly labelSelector: string
  readonly fieldSelector?: string
}

type Fields = Readonly<Record<string, unknown>>

/** The label selector, written as for kubectl, that a `metav1.LabelSelector` means; undefined for none or an empty one. */
export function selectorText(selector: unknown): string | undefined {
  const { matchLabels, matchExpressions } = (selector ?? {}) as {
    matchLabels?: Readonly<Record<string, string>>
    matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[]
  }
  const parts = Object.entries(matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  for (const { key, operator, values = [] } of matchExpressions ?? []) {
    if (operator === 'In') parts.push(`${key} in (${values.join(',')})`)
    else if (operator === 'NotIn') parts.push(`${key} notin (${values.join(',')})`)
    else parts.push(operator === 'Exists' ? key : `!${key}`)
  }
  return parts.length === 0 ? undefined : parts.join(',')
}

// The kinds whose spec.selector is a LabelSelector over pods.
const podSelectors = new Set(['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'PodDisruptionBudget'])

/** What belongs to an object by selectors and fields. */
export function relatedTo(object: AnyObject): readonly Related[] {
  const { kind, metadata, spec = {} } = object
  const namespaces = metadata.namespace === undefined ? [] : [metadata.namespace]
  const here = (title: string, resource: string, labelSelector: string | undefined): Related[] =>
    labelSelector === undefined ? [] : [{ title, resource, namespaces, labelSelector }]
  const selector = selectorText(spec['selector'])
  if (podSelectors.has(kind))
    return [
      ...(kind === 'Deployment' ? here('ReplicaSets', 'replicasets.apps', selector) : []),
      ...here('Pods', 'pods', selector),
    ]
  const inNamespace = (resource: string, title: string): Related => ({
    title,
    resource,
    namespaces: [metadata.name],
    labelSelector: '',
  })
  switch (kind) {
    case 'ReplicationController':
      return here('Pods', 'pods', selectorText({ matchLabels: spec['selector'] }))
    case 'NetworkPolicy':
      return here('Pods', 'pods', selectorText(spec['podSelector']))
    case 'Service':
      return [
        ...here('Pods', 'pods', selectorText({ matchLabels: spec['selector'] })),
        ...here('EndpointSlices', 'endpointslices.discovery.k8s.io', `kubernetes.io/service-name=${metadata.name}`),
      ]
    case 'Node':
      return [
        {
          title: 'Pods',
          resource: 'pods',
          namespaces: [],
          labelSelector: '',
          fieldSelector: `spec.nodeName=${metadata.name}`,
        },
      ]
    case 'Namespace':
      return [
        inNamespace('deployments.apps', 'Deployments'),
        inNamespace('services', 'Services'),
        inNamespace('pods', 'Pods'),
      ]
    default:
      return []
  }
}

/** The objects that this one names in its spec. */
export function referencesOf(object: AnyObject): readonly Reference[] {
  const found = [...specReferences(object), ...podReferences(object)]
  const seen = new Set<string>()
  return found.filter(({ role, resource, name }) => {
    const id = `${role} ${resource} ${name}`
    if (name === '' || seen.has(id)) return false
    seen.add(id)
    return true
  })
}

function specReferences({ kind, metadata, spec = {}, ...rest }: AnyObject): Reference[] {
  const namespace = metadata.namespace ?? ''
  const named = (role: string, resource: string, name: unknown, where = ''): Reference[] =>
    typeof name === 'string' ? [{ role, resource, namespace: where, name }] : []
  switch (kind) {
    case 'Pod':
      return [
        ...named('Node', 'nodes', spec['nodeName']),
        ...named('ServiceAccount', 'serviceaccounts', spec['serviceAccountName'], namespace),
        ...named('PriorityClass', 'priorityclasses.scheduling.k8s.io', spec['priorityClassName']),
      ]
    case 'PersistentVolumeClaim':
      return [
        ...named('Volume', 'persistentvolumes', spec['volumeName']),
        ...named('StorageClass', 'storageclasses.storage.k8s.io', spec['storageClassName']),
      ]
    case 'PersistentVolume': {
      const claim = (spec['claimRef'] ?? {}) as { namespace?: string; name?: string }
      return [
        ...named('Claim', 'persistentvolumeclaims', claim.name, claim.namespace),
        ...named('StorageClass', 'storageclasses.storage.k8s.io', spec['storageClassName']),
      ]
    }
    case 'StatefulSet':
      return named('Service', 'services', spec['serviceName'], namespace)
    case 'HorizontalPodAutoscaler': {
      const target = (spec['scaleTargetRef'] ?? {}) as { apiVersion?: string; kind?: string; name?: string }
      const group = target.apiVersion?.includes('/') === true ? `.${target.apiVersion.split('/')[0]}` : ''
      return named('Scales', `${(target.kind ?? '').toLowerCase()}s${group}`, target.name, namespace)
    }
    case 'RoleBinding':
    case 'ClusterRoleBinding': {
      const role = (rest['roleRef'] ?? {}) as { kind?: string; name?: string }
      const group = 'rbac.authorization.k8s.io'
      return role.kind === 'Role'
        ? named('Role', `roles.${group}`, role.name, namespace)
        : named('ClusterRole', `clusterroles.${group}`, role.name)
    }
    case 'EndpointSlice':
      return named('Service', 'services', metadata.labels?.['kubernetes.io/service-name'], namespace)
    default:
      return []
  }
}

interface PodSpec {
  readonly containers?: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly imagePullSecrets?: readonly { name?: string }[]
  readonly volumes?: readonly Fields[]
}

interface Container {
  readonly env?: readonly { valueFrom?: Readonly<Record<string, { name?: string }>> }[]
  readonly envFrom?: readonly Readonly<Record<string, { name?: string }>>[]
}

// ConfigMaps, Secrets and claims that a pod (or a workload's template) mounts or takes its environment from.
function podReferences({ kind, metadata, spec = {} }: AnyObject): Reference[] {
  const namespace = metadata.namespace ?? ''
  const jobTemplate = (spec['jobTemplate'] as { spec?: { template?: { spec?: PodSpec } } } | undefined)?.spec?.template
  const template = (spec['template'] as { spec?: PodSpec } | undefined) ?? jobTemplate
  const pod = kind === 'Pod' ? (spec as PodSpec) : (template?.spec ?? {})
  const config = (name: string | undefined): Reference => ({
    role: 'ConfigMap',
    resource: 'configmaps',
    namespace,
    name: name ?? '',
  })
  const secret = (name: string | undefined): Reference => ({
    role: 'Secret',
    resource: 'secrets',
    namespace,
    name: name ?? '',
  })
  const sources = (volume: Fields): Reference[] => [
    config((volume['configMap'] as { name?: string } | undefined)?.name),
    secret((volume['secret'] as { secretName?: string; name?: string } | undefined)?.secretName),
    secret((volume['secret'] as { name?: string } | undefined)?.name),
    {
      role: 'Claim',
      resource: 'persistentvolumeclaims',
      namespace,
      name: (volume['persistentVolumeClaim'] as { claimName?: string } | undefined)?.claimName ?? '',
    },
    ...((volume['projected'] as { sources?: readonly Fields[] } | undefined)?.sources ?? []).flatMap(sources),
  ]
  const containers = [...(pod.initContainers ?? []), ...(pod.containers ?? [])]
  return [
    ...containers.flatMap(({ env = [], envFrom = [] }) => [
      ...envFrom.flatMap((from) => [config(from['configMapRef']?.name), secret(from['secretRef']?.name)]),
      ...env.flatMap(({ valueFrom = {} }) => [
        config(valueFrom['configMapKeyRef']?.name),
        secret(valueFrom['secretKeyRef']?.name),
      ]),
    ]),
    ...(pod.volumes ?? []).flatMap(sources),
    ...(pod.imagePullSecrets ?? []).map(({ name }) => secret(name)),
  ]
}
