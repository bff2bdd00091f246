import { compareQuantities, parseQuantity, selectorFromLabelSelector } from '@binnacle/apimachinery'
import type {
  CSIStorageCapacity,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '@binnacle/resources'
import {
  bindCompletedAnnotation,
  isAnnotated,
  noProvisioner,
  selectedNodeAnnotation,
  storageClassNameOf,
} from '../../volumes/volume-annotations.ts'
import { claimsOfPod, whyNotForPod } from '../../volumes/pod-claims.ts'
import { findMatchingVolume, requestedStorage } from '../../volumes/volume-matching.ts'
import { admitsNode, allowsTopology } from '../../volumes/volume-topology.ts'
import type { SchedulablePod } from '../scheduled-objects.ts'
import type { VolumeState } from '../volume-state.ts'
import { claimNotFound } from './volume-restrictions.ts'

/** The claims of a pod, by what is to be done about them. */
export interface ClaimsToPlace {
  readonly bound: readonly PersistentVolumeClaim[]
  /** Those whose class waits for the pod, smallest first. */
  readonly waiting: readonly PersistentVolumeClaim[]
}

/** Sorts the pod's claims; why the pod can run nowhere yet, in kube-scheduler's words, where that is so. */
export function claimsToPlace(pod: SchedulablePod, state: VolumeState): ClaimsToPlace | { readonly rejection: string } {
  const bound: PersistentVolumeClaim[] = []
  const waiting: PersistentVolumeClaim[] = []
  let hasUnboundImmediate = false
  for (const { claimName, isEphemeral } of claimsOfPod(pod)) {
    const key = `${pod.metadata.namespace ?? ''}/${claimName}`
    const claim = state.claim(key)
    const problem = claim === undefined ? whyMissing(key, isEphemeral) : whyUnusable(pod, claim, isEphemeral)
    if (claim === undefined || problem !== undefined) return { rejection: problem ?? '' }
    if (isFullyBound(claim)) bound.push(claim)
    else if (!claim.spec?.volumeName && waitsForConsumer(claim, state)) waiting.push(claim)
    else hasUnboundImmediate = true
  }
  if (hasUnboundImmediate) return { rejection: 'pod has unbound immediate PersistentVolumeClaims' }
  waiting.sort((a, b) => compareQuantities(parseQuantity(requestedStorage(a)), parseQuantity(requestedStorage(b))))
  return { bound, waiting }
}

/** True once the binder is through with the claim. */
export function isFullyBound(claim: PersistentVolumeClaim): boolean {
  return Boolean(claim.spec?.volumeName) && isAnnotated(claim, bindCompletedAnnotation)
}

function waitsForConsumer(claim: PersistentVolumeClaim, state: VolumeState): boolean {
  return state.storageClass(storageClassNameOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer'
}

function whyMissing(key: string, isEphemeral: boolean): string {
  const name = key.slice(key.indexOf('/') + 1)
  return isEphemeral
    ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
    : claimNotFound(key)
}

function whyUnusable(pod: SchedulablePod, claim: PersistentVolumeClaim, isEphemeral: boolean): string | undefined {
  const { name, deletionTimestamp } = claim.metadata
  if (claim.status?.phase === 'Lost')
    return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName ?? ''}"`
  if (deletionTimestamp !== undefined) return `persistentvolumeclaim "${name}" is being deleted`
  return isEphemeral ? whyNotForPod(pod, claim) : undefined
}

/** How the claims of a pod come to their volumes on one node. */
export interface NodePlacement {
  readonly bindings: readonly { readonly volume: PersistentVolume; readonly claim: PersistentVolumeClaim }[]
  readonly provisions: readonly PersistentVolumeClaim[]
}

/** Why a node cannot take the pod because of its volumes. */
export const placementReasons = {
  nodeConflict: 'node(s) had volume node affinity conflict',
  noVolume: "node(s) didn't find available persistent volumes to bind",
  noSpace: 'node(s) did not have enough free storage',
  volumeMissing: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
} as const

/** Finds a volume on the node for each claim, or sees that one can be made there (kube-scheduler `FindPodVolumes`). */
export function placeOnNode(
  { bound, waiting }: ClaimsToPlace,
  node: Node,
  state: VolumeState,
): NodePlacement | { readonly reasons: readonly string[] } {
  const reasons: string[] = []
  const boundProblem = whyOutOfReach(bound, node, state)
  if (boundProblem === 'nodeConflict') reasons.push(placementReasons.nodeConflict)
  const found = waiting.length === 0 ? { bindings: [], provisions: [] } : findVolumes(waiting, node, state)
  if (typeof found === 'string') reasons.push(placementReasons[found])
  if (boundProblem === 'volumeMissing') reasons.push(placementReasons.volumeMissing)
  return typeof found === 'string' || reasons.length > 0 ? { reasons } : found
}

function whyOutOfReach(
  bound: readonly PersistentVolumeClaim[],
  node: Node,
  state: VolumeState,
): 'nodeConflict' | 'volumeMissing' | undefined {
  for (const claim of bound) {
    const volume = state.volume(claim.spec?.volumeName ?? '')
    if (volume === undefined) return 'volumeMissing'
    if (!admitsNode(volume, node)) return 'nodeConflict'
  }
  return undefined
}

function findVolumes(
  waiting: readonly PersistentVolumeClaim[],
  node: Node,
  state: VolumeState,
): NodePlacement | 'noVolume' | 'noSpace' {
  const bindings: { volume: PersistentVolume; claim: PersistentVolumeClaim }[] = []
  const toProvision: PersistentVolumeClaim[] = []
  const excluded = new Set<string>()
  for (const claim of waiting) {
    const selected = claim.metadata.annotations?.[selectedNodeAnnotation]
    if (selected !== undefined && selected !== node.metadata.name) return 'noVolume'
    const volume =
      selected === undefined
        ? findMatchingVolume(claim, state.volumesOfClass(storageClassNameOf(claim)), {
            node,
            excluded,
            waitsForConsumer: true,
          })
        : undefined
    if (volume === undefined) {
      toProvision.push(claim)
      continue
    }
    excluded.add(volume.metadata.name)
    bindings.push({ volume, claim })
  }
  for (const claim of toProvision) {
    const problem = whyNotProvisioned(claim, node, state)
    if (problem !== undefined) return problem
  }
  return { bindings, provisions: toProvision }
}

function whyNotProvisioned(
  claim: PersistentVolumeClaim,
  node: Node,
  state: VolumeState,
): 'noVolume' | 'noSpace' | undefined {
  const storageClass = state.storageClass(storageClassNameOf(claim))
  if (storageClass === undefined || !storageClass.provisioner || storageClass.provisioner === noProvisioner)
    return 'noVolume'
  if (!allowsTopology(storageClass.allowedTopologies, node)) return 'noVolume'
  return hasSpace(claim, storageClass, node, state) ? undefined : 'noSpace'
}

// Drivers say how much they have left only when they opt in.
function hasSpace(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node, state: VolumeState): boolean {
  if (state.csiDriver(storageClass.provisioner)?.spec?.storageCapacity !== true) return true
  const size = parseQuantity(requestedStorage(claim))
  for (const capacity of state.capacities()) {
    if (capacity.storageClassName !== storageClass.metadata.name || !reaches(capacity, node)) continue
    const limit = capacity.maximumVolumeSize ?? capacity.capacity
    if (limit !== undefined && compareQuantities(parseQuantity(limit), size) >= 0) return true
  }
  return false
}

function reaches({ nodeTopology }: CSIStorageCapacity, node: Node): boolean {
  return nodeTopology !== undefined && selectorFromLabelSelector(nodeTopology).matches(node.metadata.labels)
}
