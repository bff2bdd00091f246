import type { ContainerSpec, SchedulableNode, SchedulablePod, Taint, Toleration } from '../scheduled-objects.ts'

/** A source of random choices that gives the same ones for the same seed. */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761 + 1
  }

  /** From 0 to below 1 (xorshift). */
  next = (): number => {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) / 2 ** 32
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  /** True in the given share of cases. */
  is(share: number): boolean {
    return this.next() < share
  }

  /** One of the items. */
  one<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}

const effects = ['NoSchedule', 'NoExecute', 'PreferNoSchedule']

/** A node that differs from others in everything that plugins look at. */
export function randomNode(chance: Chance, name: string): SchedulableNode {
  const labels: Record<string, string> = { 'kubernetes.io/hostname': name }
  if (chance.is(0.9)) labels['topology.kubernetes.io/zone'] = `zone-${chance.below(3)}`
  if (chance.is(0.5)) labels.disk = chance.one(['ssd', 'hdd'])
  if (chance.is(0.5)) labels.generation = String(chance.below(5))
  const taints: Taint[] = []
  while (chance.is(0.25))
    taints.push({ key: chance.one(['a', 'b']), value: chance.one(['1', '2']), effect: chance.one(effects) })
  const allocatable: Record<string, string> = {
    cpu: chance.one(['2', '4', '3500m']),
    memory: chance.one(['4Gi', '8Gi', '6000Mi']),
    'ephemeral-storage': '20Gi',
    pods: String(2 + chance.below(8)),
  }
  if (chance.is(0.3)) allocatable['example.com/gpu'] = '2'
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: { unschedulable: chance.is(0.1), taints },
    status: { allocatable },
  }
}

/** A pod without a node that asks for a little of everything that plugins look at. */
export function randomPod(chance: Chance, name: string): SchedulablePod {
  const app = chance.one(['web', 'db', 'job'])
  const labels: Record<string, string> = { app, track: chance.one(['stable', 'canary']) }
  const tolerations: Toleration[] = []
  while (chance.is(0.5)) tolerations.push(randomToleration(chance))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: chance.one(['one', 'two']),
      uid: name,
      labels,
      ...(chance.is(0.1) ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ...(chance.is(0.5)
        ? { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid: app, controller: true }] }
        : {}),
    },
    spec: {
      containers: Array.from({ length: 1 + chance.below(2) }, (_, i) => randomContainer(chance, `c${i}`, 0.1)),
      initContainers: Array.from({ length: chance.below(3) }, (_, i) => ({
        ...randomContainer(chance, `i${i}`, 0),
        ...(chance.is(0.4) ? { restartPolicy: 'Always' } : {}),
      })),
      ...(chance.is(0.2) ? { overhead: { cpu: '50m', memory: '16Mi' } } : {}),
      ...(chance.is(0.15) ? { nodeSelector: { disk: chance.one(['ssd', 'hdd']) } } : {}),
      ...(chance.is(0.4) ? { affinity: { nodeAffinity: randomNodeAffinity(chance) } } : {}),
      tolerations,
      ...(chance.is(0.5) ? { topologySpreadConstraints: randomSpread(chance, app) } : {}),
    },
  }
}

function randomContainer(chance: Chance, name: string, portShare: number): ContainerSpec {
  const requests: Record<string, string> = {}
  if (chance.is(0.7)) requests.cpu = chance.one(['50m', '200m', '500m', '1'])
  if (chance.is(0.7)) requests.memory = chance.one(['64Mi', '300Mi', '1Gi'])
  if (chance.is(0.1)) requests['ephemeral-storage'] = '8Gi'
  if (chance.is(0.1)) requests['example.com/gpu'] = '1'
  const ports = chance.is(portShare)
    ? [
        {
          containerPort: 80,
          hostPort: chance.one([80, 443]),
          protocol: chance.one(['TCP', 'UDP']),
          hostIP: chance.one(['0.0.0.0', '10.0.0.1', '10.0.0.2']),
        },
      ]
    : []
  return { name, resources: { requests }, ports }
}

function randomToleration(chance: Chance): Toleration {
  return {
    ...(chance.is(0.8) ? { key: chance.one(['a', 'b', 'node.kubernetes.io/unschedulable']) } : { operator: 'Exists' }),
    ...(chance.is(0.5) ? { operator: 'Exists' } : { value: chance.one(['1', '2']) }),
    ...(chance.is(0.6) ? { effect: chance.one(effects) } : {}),
  }
}

function randomTerm(chance: Chance): { matchExpressions: { key: string; operator: string; values?: string[] }[] } {
  const expressions = [
    { key: 'disk', operator: 'In', values: ['ssd'] },
    { key: 'disk', operator: 'NotIn', values: ['hdd'] },
    { key: 'disk', operator: 'Exists' },
    { key: 'generation', operator: 'DoesNotExist' },
    { key: 'generation', operator: 'Gt', values: ['1'] },
    { key: 'generation', operator: 'Lt', values: ['4'] },
    { key: 'disk', operator: 'Gt', values: ['1'] },
  ]
  return { matchExpressions: Array.from({ length: chance.below(3) }, () => chance.one(expressions)) }
}

function randomNodeAffinity(
  chance: Chance,
): NonNullable<NonNullable<SchedulablePod['spec']['affinity']>['nodeAffinity']> {
  return {
    ...(chance.is(0.4)
      ? {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [randomTerm(chance), randomTerm(chance)],
          },
        }
      : {}),
    preferredDuringSchedulingIgnoredDuringExecution: Array.from({ length: chance.below(3) }, () => ({
      weight: 1 + chance.below(100),
      preference: randomTerm(chance),
    })),
  }
}

function randomSpread(chance: Chance, app: string): NonNullable<SchedulablePod['spec']['topologySpreadConstraints']> {
  return Array.from({ length: 1 + chance.below(2) }, () => ({
    maxSkew: 1 + chance.below(2),
    topologyKey: chance.one(['kubernetes.io/hostname', 'topology.kubernetes.io/zone', 'disk']),
    whenUnsatisfiable: chance.one(['DoNotSchedule', 'ScheduleAnyway']),
    ...(chance.is(0.9) ? { labelSelector: chance.is(0.9) ? { matchLabels: { app } } : {} } : {}),
    ...(chance.is(0.2) ? { minDomains: 1 + chance.below(4) } : {}),
    ...(chance.is(0.3) ? { nodeAffinityPolicy: chance.one(['Honor', 'Ignore']) } : {}),
    ...(chance.is(0.3) ? { nodeTaintsPolicy: chance.one(['Honor', 'Ignore']) } : {}),
    ...(chance.is(0.2) ? { matchLabelKeys: ['track'] } : {}),
  }))
}
