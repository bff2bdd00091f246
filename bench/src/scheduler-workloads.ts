import type { Node, Pod, PodSpec } from '@binnacle/resources'

/** The workloads of kube-scheduler's own performance tests (scheduler_perf), with the floors that its CI holds them to. */

type PlacedPodSpec = Omit<PodSpec, 'containers'>

/** Nodes, pods that are there before, and pods that are measured. */
export interface Workload {
  readonly name: string
  readonly nodes: number
  readonly initialPods: number
  readonly measuredPods: number
  /** Pods per second that kube-scheduler's CI asks for. */
  readonly floor: number
  /** Pods per second that we ask for: decided alone, and decided and committed. */
  readonly goal: number
  readonly persistedGoal: number
  readonly percentageOfNodesToScore?: number
  readonly zones?: readonly string[]
  readonly initialPod: (name: string) => Pod & { spec: PodSpec }
  readonly measuredPod: (name: string) => Pod & { spec: PodSpec }
  /** Nodes and pods that fit nowhere come and go meanwhile. */
  readonly churns?: boolean
}

const zoneLabel = 'topology.kubernetes.io/zone'
const both = ['sched-0', 'sched-1']

/** A node of 4 cores, 32 GiB and 110 pods. */
export function nodeOf(index: number, zones: readonly string[] | undefined): Node {
  const name = `node-${index}`
  const zone = zones?.[index % zones.length]
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, ...(zone === undefined ? {} : { [zoneLabel]: zone }) },
    },
    status: {
      allocatable: { cpu: '4', memory: '32Gi', pods: '110' },
      capacity: { cpu: '4', memory: '32Gi', pods: '110' },
    },
  }
}

function pod(
  change: { cpu?: string; namespace?: string; labels?: Record<string, string>; spec?: PlacedPodSpec } = {},
): (name: string) => Pod & { spec: PodSpec } {
  const { cpu = '100m', namespace = 'sched-0', labels = {}, spec = {} } = change
  return (name) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, uid: name, labels },
    spec: {
      containers: [{ name: 'pause', image: 'pause:3.10', resources: { requests: { cpu, memory: '500Mi' } } }],
      ...spec,
    },
  })
}

function spread(whenUnsatisfiable: string): ReturnType<typeof pod> {
  const labels = { color: 'blue' }
  const constraint = { maxSkew: 5, topologyKey: zoneLabel, whenUnsatisfiable, labelSelector: { matchLabels: labels } }
  return pod({ labels, spec: { topologySpreadConstraints: [constraint] } })
}

function near(namespace: string, kind: 'podAffinity' | 'podAntiAffinity', topologyKey: string): ReturnType<typeof pod> {
  const labels = { color: kind === 'podAffinity' ? 'blue' : 'green' }
  const term = { topologyKey, labelSelector: { matchLabels: labels }, namespaces: both }
  return pod({
    namespace,
    labels,
    spec: { affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
  })
}

const matchExpressions = [{ key: zoneLabel, operator: 'In', values: ['zone1', 'zone2'] }]
const inZones = pod({
  spec: {
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
    },
  },
})

const moons = ['moon-1', 'moon-2', 'moon-3']
const oneZone = ['zone1']
const hostLabel = 'kubernetes.io/hostname'
const plain = { nodes: 5000, initialPod: pod(), measuredPod: pod() }

/** All of them. */
export const workloads: readonly Workload[] = [
  {
    ...plain,
    name: 'basic, every node scored',
    initialPods: 1000,
    measuredPods: 10_000,
    floor: 680,
    goal: 12_000,
    persistedGoal: 5000,
    percentageOfNodesToScore: 100,
  },
  {
    ...plain,
    name: 'basic, sampled nodes',
    initialPods: 5000,
    measuredPods: 50_000,
    floor: 810,
    goal: 60_000,
    persistedGoal: 6000,
  },
  {
    ...plain,
    name: 'topology spreading',
    initialPods: 5000,
    measuredPods: 5000,
    floor: 460,
    goal: 5000,
    persistedGoal: 3000,
    zones: moons,
    measuredPod: spread('DoNotSchedule'),
  },
  {
    ...plain,
    name: 'preferred spreading',
    initialPods: 5000,
    measuredPods: 5000,
    floor: 340,
    goal: 5000,
    persistedGoal: 3000,
    zones: moons,
    measuredPod: spread('ScheduleAnyway'),
  },
  {
    ...plain,
    name: 'pod anti-affinity',
    initialPods: 1000,
    measuredPods: 2000,
    floor: 60,
    goal: 3000,
    persistedGoal: 2000,
    initialPod: near('sched-1', 'podAntiAffinity', hostLabel),
    measuredPod: near('sched-0', 'podAntiAffinity', hostLabel),
  },
  {
    ...plain,
    name: 'pod affinity',
    initialPods: 5000,
    measuredPods: 5000,
    floor: 35,
    goal: 3000,
    persistedGoal: 2000,
    zones: oneZone,
    initialPod: near('sched-1', 'podAffinity', zoneLabel),
    measuredPod: near('sched-0', 'podAffinity', zoneLabel),
  },
  {
    ...plain,
    name: 'node affinity',
    initialPods: 5000,
    measuredPods: 10_000,
    floor: 220,
    goal: 10_000,
    persistedGoal: 4000,
    zones: oneZone,
    measuredPod: inZones,
  },
  {
    ...plain,
    name: 'mixed with churn',
    initialPods: 0,
    measuredPods: 10_000,
    floor: 710,
    goal: 10_000,
    persistedGoal: 4000,
    churns: true,
  },
  {
    ...plain,
    name: 'preemption',
    initialPods: 20_000,
    measuredPods: 5000,
    floor: 570,
    goal: 2000,
    persistedGoal: 1000,
    initialPod: pod({ cpu: '900m' }),
    measuredPod: pod({ cpu: '3', spec: { priority: 10 } }),
  },
]
