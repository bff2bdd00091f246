import type { OwnerReference } from '@binnacle/apimachinery'
import type {
  DaemonSet,
  Deployment,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Service,
  StatefulSet,
  CronJob,
  Job,
} from '@binnacle/resources'

/** Objects for tests: valid as they are, with what the test is about changed. */

/** What most builders take. */
export interface Built {
  readonly name?: string
  readonly namespace?: string
  readonly labels?: Record<string, string>
  readonly annotations?: Record<string, string>
  readonly ownerReferences?: OwnerReference[]
}

function metadataOf({ name = 'web', namespace = 'default', ...rest }: Built) {
  const { labels, annotations, ownerReferences } = rest
  return {
    name,
    namespace,
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(ownerReferences === undefined ? {} : { ownerReferences }),
  }
}

const containers = (image: string) => [{ name: 'app', image }]

/** A pod of one container; `ready` gives it a running status with that Ready condition, since `sinceTime`. */
export function aPod(
  options: Built & {
    image?: string
    nodeName?: string
    ready?: boolean
    sinceTime?: string
    phase?: string
    podIP?: string
  } = {},
): Pod {
  const { image = 'app:1', nodeName, ready, sinceTime = '2026-01-01T00:00:00Z', podIP } = options
  const phase = options.phase ?? (ready === undefined ? 'Pending' : 'Running')
  const condition = { type: 'Ready', status: ready === true ? 'True' : 'False', lastTransitionTime: sinceTime }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataOf({ name: 'pod', ...options }),
    spec: { containers: containers(image), ...(nodeName === undefined ? {} : { nodeName }) },
    status: {
      phase,
      ...(ready === undefined ? {} : { conditions: [condition] }),
      ...(podIP === undefined ? {} : { podIP, podIPs: [{ ip: podIP }] }),
    },
  }
}

/** A Deployment whose pods carry the label `app`, named after it. */
export function aDeployment(
  options: Built & { replicas?: number; image?: string; spec?: Partial<NonNullable<Deployment['spec']>> } = {},
): Deployment {
  const { name = 'web', replicas = 3, image = 'app:1', spec } = options
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadataOf(options),
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } } as never, spec: { containers: containers(image) } },
      ...spec,
    },
  }
}

/** A ReplicaSet whose pods carry the label `app`, named after it. */
export function aReplicaSet(
  options: Built & { replicas?: number; image?: string; spec?: Partial<NonNullable<ReplicaSet['spec']>> } = {},
): ReplicaSet {
  const { name = 'web', replicas = 3, image = 'app:1', spec } = options
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: metadataOf(options),
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } } as never, spec: { containers: containers(image) } },
      ...spec,
    },
  }
}

/** A StatefulSet whose pods carry the label `app`, named after it; `claims` names its claim templates. */
export function aStatefulSet(
  options: Built & {
    replicas?: number
    image?: string
    claims?: readonly string[]
    spec?: Partial<NonNullable<StatefulSet['spec']>>
  } = {},
): StatefulSet {
  const { name = 'web', replicas = 3, image = 'app:1', claims = [], spec } = options
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadataOf(options),
    spec: {
      replicas,
      serviceName: name,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } } as never, spec: { containers: containers(image) } },
      ...(claims.length === 0 ? {} : { volumeClaimTemplates: claims.map(claimTemplate) }),
      ...spec,
    },
  }
}

const claimTemplate = (name: string) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
})

/** A DaemonSet whose pods carry the label `app`, named after it. */
export function aDaemonSet(
  options: Built & { image?: string; spec?: Partial<NonNullable<DaemonSet['spec']>> } = {},
): DaemonSet {
  const { name = 'web', image = 'app:1', spec } = options
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: metadataOf(options),
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } } as never, spec: { containers: containers(image) } },
      ...spec,
    },
  }
}

/** A Job of pods that never restart, with the selector and labels that the API server would give it. */
export function aJob(options: Built & { uid?: string; spec?: Partial<NonNullable<Job['spec']>> } = {}): Job {
  const { name = 'work', uid = '5f7c0d1e-0000-4000-8000-000000000001', spec } = options
  const labels = {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...metadataOf({ ...options, name }), uid },
    spec: {
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } },
      template: {
        metadata: { labels } as never,
        spec: { containers: containers('app:1'), restartPolicy: 'Never' },
      },
      ...spec,
    },
  }
}

/** A CronJob that runs at every full hour. */
export function aCronJob(options: Built & { spec?: Partial<NonNullable<CronJob['spec']>> } = {}): CronJob {
  const template = { spec: { containers: containers('app:1'), restartPolicy: 'Never' } }
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: metadataOf({ ...options, name: options.name ?? 'report' }),
    spec: { schedule: '0 * * * *', jobTemplate: { spec: { template } }, ...options.spec },
  }
}

/** A node with room for pods. */
export function aNode(options: { name?: string; labels?: Record<string, string> } = {}): Node {
  const { name = 'node-1', labels } = options
  const capacity = { cpu: '4', memory: '8Gi', pods: '110' }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    status: { capacity, allocatable: capacity, conditions: [{ type: 'Ready', status: 'True' }] },
  }
}

/** A namespace that is in use. */
export function aNamespace(name = 'default'): Namespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  }
}

/** A Service that selects the label `app` of its own name on port 80. */
export function aService(options: Built & { spec?: NonNullable<Service['spec']> } = {}): Service {
  const { name = 'web', spec } = options
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(options),
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ipFamilies: ['IPv4'],
      selector: { app: name },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      ...spec,
    },
  }
}
