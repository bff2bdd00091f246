import type { SeededRandom } from '@binnacle/testing'
import type { PodAffinityTerm } from '@binnacle/resources'
import type { PluginArgs } from '../plugin-args.ts'
import type { ContainerSpec, SchedulableNode, SchedulablePod, Taint, Toleration } from '../scheduled-objects.ts'

const imageSizes: Readonly<Record<string, number>> = {
  'registry.example.com/big:1': 900_000_000,
  'registry.example.com/middle:latest': 200_000_000,
  'small:latest': 30_000_000,
}
const effects = ['NoSchedule', 'NoExecute', 'PreferNoSchedule']

/** A node that differs from others in everything that plugins look at. */
export function randomNode(random: SeededRandom, name: string): SchedulableNode {
  const labels: Record<string, string> = { 'kubernetes.io/hostname': name }
  if (random.chance(0.9)) labels['topology.kubernetes.io/zone'] = `zone-${random.below(3)}`
  if (random.chance(0.5)) labels.disk = random.pick(['ssd', 'hdd'])
  if (random.chance(0.5)) labels.generation = String(random.below(5))
  const taints: Taint[] = []
  while (random.chance(0.25))
    taints.push({ key: random.pick(['a', 'b']), value: random.pick(['1', '2']), effect: random.pick(effects) })
  const allocatable: Record<string, string> = {
    cpu: random.pick(['2', '4', '3500m']),
    memory: random.pick(['4Gi', '8Gi', '6000Mi']),
    'ephemeral-storage': '20Gi',
    pods: String(2 + random.below(8)),
  }
  if (random.chance(0.3)) allocatable['example.com/gpu'] = '2'
  const images = Object.entries(imageSizes)
    .filter(() => random.chance(0.3))
    .map(([name, sizeBytes]) => ({ names: [name], sizeBytes }))
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: { unschedulable: random.chance(0.1), taints },
    status: { allocatable, images },
  }
}

/** A pod without a node that asks for a little of everything that plugins look at. */
export function randomPod(random: SeededRandom, name: string): SchedulablePod {
  const app = random.pick(['web', 'db', 'job'])
  const labels: Record<string, string> = { app, track: random.pick(['stable', 'canary']) }
  const tolerations: Toleration[] = []
  while (random.chance(0.5)) tolerations.push(randomToleration(random))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: random.pick(['one', 'two']),
      uid: name,
      labels,
      ...(random.chance(0.1) ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ...(random.chance(0.5)
        ? { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid: app, controller: true }] }
        : {}),
    },
    spec: {
      containers: Array.from({ length: 1 + random.below(2) }, (_, i) => randomContainer(random, `c${i}`, 0.1)),
      initContainers: Array.from({ length: random.below(3) }, (_, i) => ({
        ...randomContainer(random, `i${i}`, 0),
        ...(random.chance(0.4) ? { restartPolicy: 'Always' } : {}),
      })),
      ...(random.chance(0.2) ? { overhead: { cpu: '50m', memory: '16Mi' } } : {}),
      ...(random.chance(0.15) ? { nodeSelector: { disk: random.pick(['ssd', 'hdd']) } } : {}),
      ...(random.chance(0.6) ? { affinity: randomAffinity(random, app) } : {}),
      tolerations,
      ...(random.chance(0.5) ? { topologySpreadConstraints: randomSpread(random, app) } : {}),
    },
  }
}

function randomContainer(random: SeededRandom, name: string, portShare: number): ContainerSpec {
  const requests: Record<string, string> = {}
  if (random.chance(0.7)) requests.cpu = random.pick(['50m', '200m', '500m', '1'])
  if (random.chance(0.7)) requests.memory = random.pick(['64Mi', '300Mi', '1Gi'])
  if (random.chance(0.1)) requests['ephemeral-storage'] = '8Gi'
  if (random.chance(0.1)) requests['example.com/gpu'] = '1'
  const ports = random.chance(portShare)
    ? [
        {
          containerPort: 80,
          hostPort: random.pick([80, 443]),
          protocol: random.pick(['TCP', 'UDP']),
          hostIP: random.pick(['0.0.0.0', '10.0.0.1', '10.0.0.2']),
        },
      ]
    : []
  const image = random.pick(['registry.example.com/big:1', 'registry.example.com/middle', 'small', 'absent:2'])
  return { name, image, resources: { requests }, ports }
}

function randomToleration(random: SeededRandom): Toleration {
  return {
    ...(random.chance(0.8)
      ? { key: random.pick(['a', 'b', 'node.kubernetes.io/unschedulable']) }
      : { operator: 'Exists' }),
    ...(random.chance(0.5) ? { operator: 'Exists' } : { value: random.pick(['1', '2']) }),
    ...(random.chance(0.6) ? { effect: random.pick(effects) } : {}),
  }
}

function randomTerm(random: SeededRandom): {
  matchExpressions: { key: string; operator: string; values?: string[] }[]
} {
  const expressions = [
    { key: 'disk', operator: 'In', values: ['ssd'] },
    { key: 'disk', operator: 'NotIn', values: ['hdd'] },
    { key: 'disk', operator: 'Exists' },
    { key: 'generation', operator: 'DoesNotExist' },
    { key: 'generation', operator: 'Gt', values: ['1'] },
    { key: 'generation', operator: 'Lt', values: ['4'] },
    { key: 'disk', operator: 'Gt', values: ['1'] },
  ]
  return { matchExpressions: Array.from({ length: random.below(3) }, () => random.pick(expressions)) }
}

type Affinity = NonNullable<SchedulablePod['spec']['affinity']>

function randomAffinity(random: SeededRandom, app: string): Affinity {
  return {
    ...(random.chance(0.5) ? { nodeAffinity: randomNodeAffinity(random) } : {}),
    ...(random.chance(0.5) ? { podAffinity: randomPodAffinity(random, app, 0.3) } : {}),
    ...(random.chance(0.5) ? { podAntiAffinity: randomPodAffinity(random, app, 0.15) } : {}),
  }
}

function randomPodAffinity(random: SeededRandom, app: string, share: number): NonNullable<Affinity['podAffinity']> {
  const terms = (max: number): PodAffinityTerm[] =>
    Array.from({ length: random.below(max + 1) }, () => randomPodAffinityTerm(random, app))
  return {
    ...(random.chance(share) ? { requiredDuringSchedulingIgnoredDuringExecution: terms(2) } : {}),
    preferredDuringSchedulingIgnoredDuringExecution: terms(2).map((podAffinityTerm) => ({
      weight: 1 + random.below(100),
      podAffinityTerm,
    })),
  }
}

function randomPodAffinityTerm(random: SeededRandom, app: string): PodAffinityTerm {
  const selectors = [{}, { matchLabels: { app } }, { matchLabels: { app: 'db' } }]
  return {
    topologyKey: random.pick(['kubernetes.io/hostname', 'topology.kubernetes.io/zone', 'disk']),
    ...(random.chance(0.9) ? { labelSelector: random.pick(selectors) } : {}),
    ...(random.chance(0.3) ? { namespaces: [random.pick(['one', 'two'])] } : {}),
    ...(random.chance(0.3) ? { namespaceSelector: random.pick([{}, { matchLabels: { team: 'red' } }]) } : {}),
    ...(random.chance(0.2) ? { matchLabelKeys: ['track'] } : {}),
    ...(random.chance(0.2) ? { mismatchLabelKeys: ['generation', 'track'] } : {}),
  }
}

function randomNodeAffinity(
  random: SeededRandom,
): NonNullable<NonNullable<SchedulablePod['spec']['affinity']>['nodeAffinity']> {
  return {
    ...(random.chance(0.4)
      ? {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [randomTerm(random), randomTerm(random)],
          },
        }
      : {}),
    preferredDuringSchedulingIgnoredDuringExecution: Array.from({ length: random.below(3) }, () => ({
      weight: 1 + random.below(100),
      preference: randomTerm(random),
    })),
  }
}

function randomSpread(
  random: SeededRandom,
  app: string,
): NonNullable<SchedulablePod['spec']['topologySpreadConstraints']> {
  return Array.from({ length: 1 + random.below(2) }, () => ({
    maxSkew: 1 + random.below(2),
    topologyKey: random.pick(['kubernetes.io/hostname', 'topology.kubernetes.io/zone', 'disk']),
    whenUnsatisfiable: random.pick(['DoNotSchedule', 'ScheduleAnyway']),
    ...(random.chance(0.9) ? { labelSelector: random.chance(0.9) ? { matchLabels: { app } } : {} } : {}),
    ...(random.chance(0.2) ? { minDomains: 1 + random.below(4) } : {}),
    ...(random.chance(0.3) ? { nodeAffinityPolicy: random.pick(['Honor', 'Ignore']) } : {}),
    ...(random.chance(0.3) ? { nodeTaintsPolicy: random.pick(['Honor', 'Ignore']) } : {}),
    ...(random.chance(0.2) ? { matchLabelKeys: ['track'] } : {}),
  }))
}

/** Arguments of plugins, none of them as by default. */
export function randomArgs(random: SeededRandom): PluginArgs {
  const resources = ['cpu', 'memory', 'ephemeral-storage', 'example.com/gpu', 'example.com/absent']
    .filter((name) => name === 'cpu' || random.chance(0.6))
    .map((name) => ({ name, weight: 1 + random.below(9) }))
  const type = random.pick(['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'] as const)
  const shape = [0, 30, 55, 100]
    .filter(() => random.chance(0.8))
    .map((utilization) => ({ utilization, score: random.below(11) }))
  return {
    DefaultPreemption: { minCandidateNodesPercentage: 50, minCandidateNodesAbsolute: 1 },
    InterPodAffinity: {
      hardPodAffinityWeight: random.below(101),
      ignorePreferredTermsOfExistingPods: random.chance(0.5),
    },
    NodeAffinity: random.chance(0.7) ? { addedAffinity: randomNodeAffinity(random) } : {},
    NodeResourcesBalancedAllocation: { resources: resources.map(({ name }) => ({ name, weight: 1 })) },
    NodeResourcesFit: {
      ignoredResources: random.chance(0.3) ? ['example.com/gpu'] : [],
      ignoredResourceGroups: random.chance(0.2) ? ['example.com'] : [],
      scoringStrategy: {
        type,
        resources,
        ...(type === 'RequestedToCapacityRatio' ? { requestedToCapacityRatio: { shape } } : {}),
      },
    },
    PodTopologySpread: {
      defaultingType: 'List',
      // The plugins find the selector, whatever stands here.
      defaultConstraints: randomSpread(random, 'web'),
    },
    VolumeBinding: { bindTimeoutSeconds: 1 },
  }
}
