import type {
  CSINode,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  TopologySelectorTerm,
  VolumeAttachment,
} from '@binnacle/resources'
import type { SchedulableNode, SchedulablePod } from '../scheduled-objects.ts'
import type { ReferenceNode } from './reference-scheduler.ts'

/** The volume plugins once more, as plainly as can be: lists of objects, nothing remembered, nothing shared with the fast ones. */

/** What the plugins look at besides nodes and pods. */
export interface ReferenceVolumes {
  readonly claims: readonly PersistentVolumeClaim[]
  readonly volumes: readonly PersistentVolume[]
  readonly classes: readonly StorageClass[]
  readonly csiNodes: readonly CSINode[]
  readonly attachments: readonly VolumeAttachment[]
}

/** The verdict of one plugin: pass, no node at all (`everywhere`), or not this node. */
export interface ReferenceVerdict {
  readonly plugin: string
  readonly reasons: readonly string[]
  readonly everywhere?: true
}

type Check = (
  world: ReferenceVolumes,
  pod: SchedulablePod,
  candidate: ReferenceNode,
) => Omit<ReferenceVerdict, 'plugin'>

const pass = { reasons: [] }
const nowhere = (reason: string) => ({ reasons: [reason], everywhere: true as const })
const named = <T extends { metadata: { name: string } }>(list: readonly T[], name: string | undefined): T | undefined =>
  list.find((object) => object.metadata.name === name)

function claimNames(pod: SchedulablePod): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim !== undefined) return [volume.persistentVolumeClaim.claimName]
    return volume.ephemeral === undefined ? [] : [`${pod.metadata.name}-${volume.name}`]
  })
}

function claimOf(world: ReferenceVolumes, pod: SchedulablePod, name: string): PersistentVolumeClaim | undefined {
  return world.claims.find((c) => c.metadata.namespace === pod.metadata.namespace && c.metadata.name === name)
}

/** Why the node cannot take the pod by the first volume plugin that says so; undefined when it can. */
export function referenceVolumeVerdict(
  world: ReferenceVolumes,
  pod: SchedulablePod,
  candidate: ReferenceNode,
  all: readonly ReferenceNode[],
): ReferenceVerdict | undefined {
  const checks: readonly [string, Check][] = [
    ['VolumeRestrictions', (w, p, c) => restrictions(w, p, c, all)],
    ['NodeVolumeLimits', limits],
    ['VolumeBinding', binding],
    ['VolumeZone', zone],
  ]
  const verdicts = checks.map(([plugin, check]) => ({ plugin, ...check(world, pod, candidate) }))
  // preFilters of all plugins come before the first filter.
  return verdicts.find((verdict) => 'everywhere' in verdict) ?? verdicts.find((verdict) => verdict.reasons.length > 0)
}

function restrictions(
  world: ReferenceVolumes,
  pod: SchedulablePod,
  candidate: ReferenceNode,
  all: readonly ReferenceNode[],
): Omit<ReferenceVerdict, 'plugin'> {
  for (const name of claimNames(pod))
    if (claimOf(world, pod, name) === undefined) return nowhere(`persistentvolumeclaim "${name}" not found`)
  const used = candidate.pods.flatMap((p) => p.spec.volumes ?? [])
  const hasClash = (pod.spec.volumes ?? []).some(({ gcePersistentDisk: gce, awsElasticBlockStore: aws }) =>
    used.some(
      (other) =>
        (gce !== undefined &&
          gce.pdName === other.gcePersistentDisk?.pdName &&
          !(gce.readOnly === true && other.gcePersistentDisk?.readOnly === true)) ||
        (aws !== undefined && aws.volumeID === other.awsElasticBlockStore?.volumeID),
    ),
  )
  if (hasClash) return { reasons: ['node(s) had no available disk'] }
  const isTaken = claimNames(pod).some(
    (name) =>
      claimOf(world, pod, name)?.spec?.accessModes?.includes('ReadWriteOncePod') === true &&
      all.some((n) =>
        n.pods.some((p) => p.metadata.namespace === pod.metadata.namespace && claimNames(p).includes(name)),
      ),
  )
  return isTaken
    ? { reasons: ['node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'] }
    : pass
}

function csiVolumes(world: ReferenceVolumes, pod: SchedulablePod): { driver: string; id: string }[] {
  return claimNames(pod).flatMap((name) => {
    const claim = claimOf(world, pod, name)
    const volume = named(world.volumes, claim?.spec?.volumeName)
    if (volume !== undefined) {
      const { csi } = volume.spec ?? {}
      return csi === undefined ? [] : [{ driver: csi.driver, id: `handle ${csi.volumeHandle}` }]
    }
    const driver = named(world.classes, claim?.spec?.storageClassName)?.provisioner
    return driver === undefined ? [] : [{ driver, id: `claim ${pod.metadata.namespace} ${name}` }]
  })
}

function limits(
  world: ReferenceVolumes,
  pod: SchedulablePod,
  candidate: ReferenceNode,
): Omit<ReferenceVerdict, 'plugin'> {
  const drivers = named(world.csiNodes, candidate.node.metadata.name)?.spec.drivers ?? []
  for (const { name, allocatable } of drivers) {
    if (allocatable?.count === undefined) continue
    const ids = (pods: readonly SchedulablePod[]) =>
      new Set(
        pods
          .flatMap((p) => csiVolumes(world, p))
          .filter((v) => v.driver === name)
          .map((v) => v.id),
      )
    const before = ids(candidate.pods)
    for (const { spec } of world.attachments) {
      const handle = named(world.volumes, spec?.source.persistentVolumeName)?.spec?.csi?.volumeHandle
      const isHere = spec?.nodeName === candidate.node.metadata.name && spec.attacher === name
      if (isHere && handle !== undefined) before.add(`handle ${handle}`)
    }
    const wanted = [...ids([pod])].filter((id) => !before.has(id))
    if (wanted.length > 0 && before.size + wanted.length > allocatable.count)
      return { reasons: ['node(s) exceed max volume count'] }
  }
  return pass
}

function reaches(volume: PersistentVolume, node: SchedulableNode): boolean {
  const terms = volume.spec?.nodeAffinity?.required?.nodeSelectorTerms
  return (
    terms === undefined ||
    terms.some((term) =>
      (term.matchExpressions ?? []).every((e) => e.values?.includes(node.metadata.labels?.[e.key] ?? '') === true),
    )
  )
}

function allows(terms: readonly TopologySelectorTerm[] | undefined, node: SchedulableNode): boolean {
  const holds = ({ matchLabelExpressions = [] }: TopologySelectorTerm) =>
    matchLabelExpressions.every((e) => e.values.includes(node.metadata.labels?.[e.key] ?? ''))
  return terms === undefined || terms.some(holds)
}

const sizeOf = (text = '0Gi'): number => Number(text.replace('Gi', ''))
const isDone = (claim: PersistentVolumeClaim): boolean =>
  claim.spec?.volumeName !== undefined && claim.metadata.annotations?.['pv.kubernetes.io/bind-completed'] !== undefined

function binding(
  world: ReferenceVolumes,
  pod: SchedulablePod,
  candidate: ReferenceNode,
): Omit<ReferenceVerdict, 'plugin'> {
  const claims = claimNames(pod)
    .map((name) => claimOf(world, pod, name))
    .filter((claim) => claim !== undefined)
  for (const { metadata, status, spec } of claims) {
    if (status?.phase === 'Lost')
      return nowhere(
        `persistentvolumeclaim "${metadata.name}" bound to non-existent persistentvolume "${spec?.volumeName ?? ''}"`,
      )
    if (metadata.deletionTimestamp !== undefined)
      return nowhere(`persistentvolumeclaim "${metadata.name}" is being deleted`)
  }
  const waits = (claim: PersistentVolumeClaim): boolean =>
    claim.spec?.volumeName === undefined &&
    named(world.classes, claim.spec?.storageClassName)?.volumeBindingMode === 'WaitForFirstConsumer'
  if (claims.some((claim) => !isDone(claim) && !waits(claim)))
    return nowhere('pod has unbound immediate PersistentVolumeClaims')
  const reasons: string[] = []
  const problem = firstProblem(world, claims.filter(isDone), candidate.node)
  if (problem === 'affinity') reasons.push('node(s) had volume node affinity conflict')
  if (
    !canHave(
      world,
      claims.filter((claim) => !isDone(claim)),
      candidate.node,
    )
  )
    reasons.push("node(s) didn't find available persistent volumes to bind")
  if (problem === 'missing') reasons.push('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)')
  return { reasons }
}

function firstProblem(
  world: ReferenceVolumes,
  claims: readonly PersistentVolumeClaim[],
  node: SchedulableNode,
): 'affinity' | 'missing' | undefined {
  for (const claim of claims) {
    const volume = named(world.volumes, claim.spec?.volumeName)
    if (volume === undefined) return 'missing'
    if (!reaches(volume, node)) return 'affinity'
  }
  return undefined
}

function canHave(world: ReferenceVolumes, claims: readonly PersistentVolumeClaim[], node: SchedulableNode): boolean {
  const sizeOfClaim = (claim: PersistentVolumeClaim): number => sizeOf(claim.spec?.resources?.requests?.['storage'])
  const taken: PersistentVolume[] = []
  return claims
    .toSorted((a, b) => sizeOfClaim(a) - sizeOfClaim(b))
    .every((claim) => {
      const selected = claim.metadata.annotations?.['volume.kubernetes.io/selected-node']
      if (selected !== undefined && selected !== node.metadata.name) return false
      const fitting = world.volumes
        .filter(
          ({ metadata, spec, status }) =>
            metadata.deletionTimestamp === undefined &&
            spec?.claimRef === undefined &&
            status?.phase === 'Available' &&
            spec?.storageClassName === claim.spec?.storageClassName &&
            sizeOf(spec?.capacity?.['storage']) >= sizeOfClaim(claim),
        )
        .filter((volume) => volume.spec?.accessModes?.includes(claim.spec?.accessModes?.[0] ?? '') === true)
        .filter((volume) => reaches(volume, node) && !taken.includes(volume))
        .toSorted(
          (a, b) =>
            sizeOf(a.spec?.capacity?.['storage']) - sizeOf(b.spec?.capacity?.['storage']) ||
            (a.metadata.name < b.metadata.name ? -1 : 1),
        )
      if (selected === undefined && fitting[0] !== undefined) {
        taken.push(fitting[0])
        return true
      }
      const storageClass = named(world.classes, claim.spec?.storageClassName) as StorageClass
      return storageClass.provisioner !== 'kubernetes.io/no-provisioner' && allows(storageClass.allowedTopologies, node)
    })
}

function zone(
  world: ReferenceVolumes,
  pod: SchedulablePod,
  candidate: ReferenceNode,
): Omit<ReferenceVerdict, 'plugin'> {
  const key = 'topology.kubernetes.io/zone'
  const nodeZone = candidate.node.metadata.labels?.[key]
  for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
    if (persistentVolumeClaim === undefined) continue
    const claim = claimOf(world, pod, persistentVolumeClaim.claimName)
    const volumeName = claim?.spec?.volumeName
    if (volumeName === undefined) continue
    const volume = named(world.volumes, volumeName)
    if (volume === undefined) return nowhere(`persistentvolume "${volumeName}" not found`)
  }
  const zones = claimNames(pod)
    .map((name) => named(world.volumes, claimOf(world, pod, name)?.spec?.volumeName)?.metadata.labels?.[key])
    .filter((value) => value !== undefined)
  if (nodeZone === undefined || zones.every((value) => value.split('__').includes(nodeZone))) return pass
  return { reasons: ['node(s) had no available volume zone'] }
}
