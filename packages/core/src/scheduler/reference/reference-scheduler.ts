import type {
  NodeAffinity,
  NodeSelectorTerm,
  SchedulableNode,
  SchedulablePod,
  SelectorRequirement,
  Taint,
  Toleration,
  TopologySpreadConstraint,
} from '../scheduled-objects.ts'

import { type PluginArgs, pluginArgsDefaults, type PodTopologySpreadArgs } from '../plugin-args.ts'
import { referenceAffinity, referenceAffinityScores, type ReferenceNamespaces } from './reference-affinity.ts'
import { referenceBalance, referenceFit, referenceFitScore } from './reference-resources.ts'

/**
 * Each plugin once more, as plainly as it can be said: one pod, one node, lists of objects, nothing remembered. Slow; random tests
 * hold the fast plugins against it.
 */

/** A node with the pods on it. */
export interface ReferenceNode {
  readonly node: SchedulableNode
  readonly pods: readonly SchedulablePod[]
}

/** What spreading by default goes by: selectors of the Services and of the controllers (by `Kind/name`) of the pod's namespace. */
export interface ReferenceSelectors {
  readonly services: readonly Readonly<Record<string, string>>[]
  readonly controllers: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** What a decision depends on besides the nodes and the pods on them. */
export interface ReferenceSetting {
  readonly namespaces: ReferenceNamespaces
  readonly selectors: ReferenceSelectors
  readonly args: PluginArgs
}

/** Nothing belongs together, and the arguments are the default ones. */
export const plainSetting: ReferenceSetting = {
  namespaces: {},
  selectors: { services: [], controllers: {} },
  args: pluginArgsDefaults,
}

/** Why the node cannot take the pod by the first plugin that says so; undefined when it can. */
export function referenceFilter(
  pod: SchedulablePod,
  candidate: ReferenceNode,
  all: readonly ReferenceNode[],
  setting: ReferenceSetting,
): { readonly plugin: string; readonly reasons: readonly string[] } | undefined {
  const checks: readonly [string, () => string[]][] = [
    ['NodeUnschedulable', () => unschedulable(pod, candidate.node)],
    ['TaintToleration', () => taints(pod, candidate.node)],
    ['NodeAffinity', () => addedAffinity(setting.args, candidate.node) ?? affinity(pod, candidate.node)],
    ['NodePorts', () => ports(pod, candidate)],
    ['NodeResourcesFit', () => referenceFit(pod, candidate, setting.args.NodeResourcesFit)],
    ['PodTopologySpread', () => spread(pod, candidate, all, setting)],
    ['InterPodAffinity', () => referenceAffinity(pod, candidate, all, setting.namespaces)],
  ]
  for (const [plugin, check] of checks) {
    const reasons = check()
    if (reasons.length > 0) return { plugin, reasons }
  }
  return undefined
}

/** The normalized score of each candidate by each plugin; a plugin that tells no difference may be given or left out. */
export function referenceScores(
  pod: SchedulablePod,
  candidates: readonly ReferenceNode[],
  all: readonly ReferenceNode[],
  setting: ReferenceSetting,
): Readonly<Record<string, readonly number[]>> {
  const { args, namespaces } = setting
  const added = args.NodeAffinity.addedAffinity
  return {
    TaintToleration: scaled(
      candidates.map((c) => avoided(pod, c.node)),
      true,
    ),
    NodeAffinity: scaled(
      candidates.map((c) => preferred(pod.spec.affinity?.nodeAffinity, c.node) + preferred(added, c.node)),
      false,
    ),
    NodeResourcesFit: candidates.map((c) => referenceFitScore(pod, c, args.NodeResourcesFit)),
    NodeResourcesBalancedAllocation: candidates.map((c) =>
      referenceBalance(pod, c, args.NodeResourcesBalancedAllocation.resources),
    ),
    PodTopologySpread: spreadScores(pod, candidates, all, setting),
    InterPodAffinity: referenceAffinityScores(pod, candidates, all, namespaces, args.InterPodAffinity),
    ImageLocality: candidates.map((c) => imageScore(pod, c, all)),
  }
}

const tolerated = (tolerations: readonly Toleration[] = [], taint: Taint): boolean =>
  tolerations.some((t) => {
    const effect = (t.effect ?? '') === '' || t.effect === taint.effect
    const key = (t.key ?? '') === '' || t.key === taint.key
    const value = t.operator === 'Exists' || (t.value ?? '') === (taint.value ?? '')
    return effect && key && value
  })

function unschedulable(pod: SchedulablePod, node: SchedulableNode): string[] {
  const cordon = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
  return node.spec?.unschedulable === true && !tolerated(pod.spec.tolerations, cordon)
    ? ['node(s) were unschedulable']
    : []
}

function taints(pod: SchedulablePod, node: SchedulableNode): string[] {
  for (const taint of node.spec?.taints ?? []) {
    if (taint.effect === 'PreferNoSchedule' || tolerated(pod.spec.tolerations, taint)) continue
    return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`]
  }
  return []
}

function avoided(pod: SchedulablePod, node: SchedulableNode): number {
  const soft = (node.spec?.taints ?? []).filter((t) => t.effect === 'PreferNoSchedule')
  return soft.filter((t) => !tolerated(pod.spec.tolerations, t)).length
}

/** Whether labels satisfy one requirement of a node selector or label selector. */
export function holds(
  { key, operator, values = [] }: SelectorRequirement,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[key]
  if (operator === 'Exists') return value !== undefined
  if (operator === 'DoesNotExist') return value === undefined
  if (operator === 'NotIn') return value === undefined || !values.includes(value)
  if (value === undefined) return false
  if (operator === 'In') return values.includes(value)
  const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN
  const bound = Number(values[0])
  return operator === 'Gt' ? number > bound : number < bound
}

function termHolds(term: NodeSelectorTerm, node: SchedulableNode): boolean {
  const all = [
    ...(term.matchExpressions ?? []).map((r) => holds(r, node.metadata.labels ?? {})),
    ...(term.matchFields ?? []).map((r) => holds(r, { 'metadata.name': node.metadata.name })),
  ]
  return all.length > 0 && !all.includes(false)
}

function affinity(pod: SchedulablePod, node: SchedulableNode): string[] {
  const labels = node.metadata.labels ?? {}
  const selected = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const admitted = required === undefined || required.nodeSelectorTerms.some((term) => termHolds(term, node))
  return selected && admitted ? [] : ["node(s) didn't match Pod's node affinity/selector"]
}

function addedAffinity({ NodeAffinity }: PluginArgs, node: SchedulableNode): string[] | undefined {
  const required = NodeAffinity.addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (required === undefined || required.nodeSelectorTerms.some((term) => termHolds(term, node))) return undefined
  return ["node(s) didn't match scheduler-enforced node affinity"]
}

function preferred(nodeAffinity: NodeAffinity | undefined, node: SchedulableNode): number {
  const terms = nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  return terms.filter((t) => termHolds(t.preference, node)).reduce((sum, t) => sum + t.weight, 0)
}

const hostPorts = (pod: SchedulablePod): { ip: string; protocol: string; port: number }[] =>
  pod.spec.containers
    .flatMap((c) => c.ports ?? [])
    .filter((p) => (p.hostPort ?? 0) > 0)
    .map((p) => ({ ip: p.hostIP ?? '0.0.0.0', protocol: p.protocol ?? 'TCP', port: p.hostPort as number }))

function ports(pod: SchedulablePod, { pods }: ReferenceNode): string[] {
  const taken = pods.flatMap(hostPorts)
  const clash = hostPorts(pod).some((a) =>
    taken.some(
      (b) => a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || [a.ip, b.ip].includes('0.0.0.0')),
    ),
  )
  return clash ? ["node(s) didn't have free ports for the requested pod ports"] : []
}

function imageScore(pod: SchedulablePod, { node }: ReferenceNode, all: readonly ReferenceNode[]): number {
  const mebibyte = 1024 * 1024
  const images = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map((c) => c.image ?? '')
  const onNode = (n: SchedulableNode, name: string): number | undefined =>
    n.status?.images?.find((i) => i.names?.includes(name.includes(':') ? name : `${name}:latest`))?.sizeBytes
  const sum = images.reduce((total, name) => {
    const size = onNode(node, name)
    const having = all.filter((n) => onNode(n.node, name) !== undefined).length
    return size === undefined ? total : total + Math.trunc(size * (having / all.length))
  }, 0)
  const most = 1000 * mebibyte * images.length
  const counted = Math.min(most, Math.max(23 * mebibyte, sum))
  return Math.floor((100 * (counted - 23 * mebibyte)) / (most - 23 * mebibyte))
}

const selects = (
  constraint: TopologySpreadConstraint,
  pod: SchedulablePod,
  labels: Readonly<Record<string, string>>,
): boolean => {
  if (constraint.labelSelector === undefined) return false
  const { matchLabels = {}, matchExpressions = [] } = constraint.labelSelector
  const same = (constraint.matchLabelKeys ?? []).filter((key) => pod.metadata.labels?.[key] !== undefined)
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((r) => holds(r, labels)) &&
    same.every((key) => labels[key] === pod.metadata.labels?.[key])
  )
}

const selectsAll = ({ labelSelector, matchLabelKeys }: TopologySpreadConstraint): boolean =>
  labelSelector !== undefined &&
  Object.keys(labelSelector.matchLabels ?? {}).length +
    (labelSelector.matchExpressions ?? []).length +
    (matchLabelKeys ?? []).length ===
    0

function countOn({ pods }: ReferenceNode, pod: SchedulablePod, constraint: TopologySpreadConstraint): number {
  if (selectsAll(constraint)) return 0
  return pods.filter(
    (p) =>
      p.metadata.namespace === pod.metadata.namespace &&
      p.metadata.deletionTimestamp === undefined &&
      selects(constraint, pod, p.metadata.labels ?? {}),
  ).length
}

const takesPart = (pod: SchedulablePod, { node }: ReferenceNode, c: TopologySpreadConstraint): boolean =>
  (c.nodeAffinityPolicy === 'Ignore' || affinity(pod, node).length === 0) &&
  (c.nodeTaintsPolicy !== 'Honor' || taints(pod, node).length === 0)

const hasAll = ({ node }: ReferenceNode, constraints: readonly TopologySpreadConstraint[]): boolean =>
  constraints.every((c) => node.metadata.labels?.[c.topologyKey] !== undefined)

function spread(
  pod: SchedulablePod,
  candidate: ReferenceNode,
  all: readonly ReferenceNode[],
  setting: ReferenceSetting,
): string[] {
  const constraints = constraintsOf(pod, setting).filter((c) => c.whenUnsatisfiable === 'DoNotSchedule')
  for (const c of constraints) {
    const domain = candidate.node.metadata.labels?.[c.topologyKey]
    if (domain === undefined) return ["node(s) didn't match pod topology spread constraints (missing required label)"]
    const members = all.filter((n) => hasAll(n, constraints) && takesPart(pod, n, c))
    const domains = new Map<string, number>()
    for (const n of members) {
      const name = n.node.metadata.labels?.[c.topologyKey] as string
      domains.set(name, (domains.get(name) ?? 0) + countOn(n, pod, c))
    }
    const fewest = domains.size < (c.minDomains ?? 1) ? 0 : Math.min(...domains.values())
    const self = selects(c, pod, pod.metadata.labels ?? {}) ? 1 : 0
    if ((domains.get(domain) ?? 0) + self - fewest > c.maxSkew)
      return ["node(s) didn't match pod topology spread constraints"]
  }
  return []
}

function constraintsOf(pod: SchedulablePod, { selectors, args }: ReferenceSetting): TopologySpreadConstraint[] {
  const own = pod.spec.topologySpreadConstraints ?? []
  return own.length > 0 ? own : defaultConstraints(pod, selectors, args.PodTopologySpread)
}

function defaultConstraints(
  pod: SchedulablePod,
  selectors: ReferenceSelectors,
  args: PodTopologySpreadArgs,
): TopologySpreadConstraint[] {
  const labels = pod.metadata.labels ?? {}
  const matching = selectors.services.filter((s) => Object.entries(s).every(([key, value]) => labels[key] === value))
  const owner = pod.metadata.ownerReferences?.find((o) => o.controller === true)
  const own = owner === undefined ? {} : (selectors.controllers[`${owner.kind}/${owner.name}`] ?? {})
  const matchLabels = Object.assign({}, ...matching, own) as Record<string, string>
  if (Object.keys(matchLabels).length === 0) return []
  if (args.defaultingType === 'List')
    return args.defaultConstraints.map((c) => ({ ...c, labelSelector: { matchLabels }, matchLabelKeys: [] }))
  const shared = { whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels } }
  return [
    { ...shared, topologyKey: 'kubernetes.io/hostname', maxSkew: 3 },
    { ...shared, topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5 },
  ]
}

function spreadScores(
  pod: SchedulablePod,
  candidates: readonly ReferenceNode[],
  all: readonly ReferenceNode[],
  setting: ReferenceSetting,
): number[] {
  const constraints = constraintsOf(pod, setting).filter((c) => c.whenUnsatisfiable === 'ScheduleAnyway')
  if (constraints.length === 0) return candidates.map(() => 0)
  const isSystem = setting.args.PodTopologySpread.defaultingType === 'System'
  const needsAll = (pod.spec.topologySpreadConstraints ?? []).length > 0 || !isSystem
  const counted = needsAll ? candidates.filter((c) => hasAll(c, constraints)) : candidates
  const valueOf = (n: ReferenceNode, c: TopologySpreadConstraint): string | undefined =>
    n.node.metadata.labels?.[c.topologyKey]
  const raw = candidates.map((candidate) => {
    if (!counted.includes(candidate)) return undefined
    let score = 0
    for (const c of constraints) {
      const value = valueOf(candidate, c)
      if (value === undefined) continue
      const isHost = c.topologyKey === 'kubernetes.io/hostname'
      const domains = isHost ? counted.length : new Set(counted.map((n) => valueOf(n, c) ?? '')).size
      const members = isHost
        ? [candidate]
        : all.filter((n) => valueOf(n, c) === value && takesPart(pod, n, c) && (!needsAll || hasAll(n, constraints)))
      const pods = members.reduce((sum, n) => sum + countOn(n, pod, c), 0)
      score += pods * Math.log(domains + 2) + (c.maxSkew - 1)
    }
    return Math.round(score)
  })
  const known = raw.filter((s) => s !== undefined)
  const greatest = Math.max(0, ...known)
  const least = Math.min(...known)
  return raw.map((s) =>
    s === undefined ? 0 : greatest === 0 ? 100 : Math.floor((100 * (greatest + least - s)) / greatest),
  )
}

function scaled(values: readonly number[], lessIsBetter: boolean): number[] {
  const greatest = Math.max(0, ...values)
  return values.map((value) => {
    const share = greatest === 0 ? 0 : Math.floor((100 * value) / greatest)
    return lessIsBetter ? 100 - share : share
  })
}
