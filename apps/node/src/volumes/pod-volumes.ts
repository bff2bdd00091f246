import { execFile } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { parseQuantity, wholeUnits } from '@binnacle/apimachinery'
import type { EmptyDirVolumeSource, PersistentVolume, PersistentVolumeClaim, Volume } from '@binnacle/resources'
import type { Pod } from '../kubelet/pod.ts'
import { writeAtomically } from './atomic-writer.ts'
import { prepareHostPath } from './host-path.ts'
import { hasPayload, payloadOf, type PayloadSources, VolumeError } from './payload.ts'

const run = promisify(execFile)
const commandMsMax = 10_000

/** A volume that is there. */
export interface MountedVolume {
  /** Where it is on the node. */
  readonly hostPath: string
  readonly isReadOnly: boolean
}

/** What volumes are made of. */
export interface VolumeSources extends PayloadSources {
  claim(namespace: string, name: string): Promise<PersistentVolumeClaim | undefined>
  persistentVolume(name: string): Promise<PersistentVolume | undefined>
}

const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by'
/** The provisioner whose volumes are directories that the agent makes. */
export const localPathProvisioner = 'binnacle.dev/local-path'

/** Makes the volumes of pods ready, keeps their files current, and takes them down. All that it makes is below `podsDirectory`, by pod uid. */
export class PodVolumes {
  readonly #podsDirectory: string

  constructor(podsDirectory: string) {
    this.#podsDirectory = podsDirectory
  }

  /** The pod's own directory. */
  podDirectory(podUID: string): string {
    return path.join(this.#podsDirectory, podUID)
  }

  /**
   * Makes what is missing and brings files up to date. Safe to call again at any time.
   * @throws VolumeError for the first volume that cannot be made.
   */
  async mount(pod: Pod, sources: VolumeSources): Promise<ReadonlyMap<string, MountedVolume>> {
    const mounted = new Map<string, MountedVolume>()
    for (const volume of pod.spec.volumes ?? []) {
      try {
        mounted.set(volume.name, await this.#mountOne(pod, volume, sources))
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error)
        throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${problem}`, { cause: error })
      }
    }
    return mounted
  }

  /** Takes the pod's volumes down: mounts first, then the files. */
  async unmountVolumes(podUID: string): Promise<void> {
    const directory = path.join(this.podDirectory(podUID), 'volumes')
    for (const place of mountsBelow(directory)) await run('umount', [place], { timeout: commandMsMax })
    rmSync(directory, { recursive: true, force: true })
  }

  /** Takes down what is mounted of all pods; files on the disk stay. */
  async unmountAll(): Promise<void> {
    for (const place of mountsBelow(this.#podsDirectory)) await run('umount', [place], { timeout: commandMsMax })
  }

  /** Removes all that is left of the pod. */
  async removePod(podUID: string): Promise<void> {
    await this.unmountVolumes(podUID)
    rmSync(this.podDirectory(podUID), { recursive: true, force: true })
  }

  async #mountOne(pod: Pod, volume: Volume, sources: VolumeSources): Promise<MountedVolume> {
    const { emptyDir, hostPath, persistentVolumeClaim, ephemeral } = volume
    const groupID = pod.spec.securityContext?.fsGroup
    if (hostPath !== undefined) {
      prepareHostPath(hostPath.path, hostPath.type ?? '')
      return { hostPath: hostPath.path, isReadOnly: false }
    }
    if (emptyDir !== undefined) {
      const place = this.#place(pod, 'empty-dir', volume.name)
      await makeEmptyDir(place, emptyDir, groupID)
      return { hostPath: place, isReadOnly: false }
    }
    if (hasPayload(volume)) {
      const payload = await payloadOf(pod, volume, sources)
      const place = this.#place(pod, kindOf(volume), volume.name)
      // What is secret never comes to a disk.
      await makeEmptyDir(place, { medium: volume.configMap === undefined ? 'Memory' : '' }, groupID)
      writeAtomically(place, payload, groupID)
      return { hostPath: place, isReadOnly: true }
    }
    if (persistentVolumeClaim !== undefined) {
      const { claimName, readOnly = false } = persistentVolumeClaim
      return { hostPath: await claimedPath(pod, claimName, groupID, sources), isReadOnly: readOnly }
    }
    if (ephemeral !== undefined) {
      return {
        hostPath: await claimedPath(pod, `${pod.metadata.name}-${volume.name}`, groupID, sources),
        isReadOnly: false,
      }
    }
    throw new VolumeError('no volume plugin matched')
  }

  #place(pod: Pod, kind: string, name: string): string {
    return path.join(this.podDirectory(pod.metadata.uid ?? ''), 'volumes', `kubernetes.io~${kind}`, name)
  }
}

function kindOf({ configMap, secret, downwardAPI }: Volume): string {
  if (configMap !== undefined) return 'configmap'
  if (secret !== undefined) return 'secret'
  return downwardAPI === undefined ? 'projected' : 'downward-api'
}

async function makeEmptyDir(
  place: string,
  { medium = '', sizeLimit }: EmptyDirVolumeSource,
  groupID: number | undefined,
): Promise<void> {
  if (medium !== '' && medium !== 'Memory') throw new VolumeError(`unknown storage medium "${medium}"`)
  const isNew = statSync(place, { throwIfNoEntry: false }) === undefined
  mkdirSync(place, { recursive: true, mode: 0o750 })
  if (medium === 'Memory' && !mountsBelow(place).includes(place)) {
    const size = sizeLimit === undefined ? [] : [`size=${wholeUnits(parseQuantity(sizeLimit))}`]
    const options = ['mode=0777', ...size].join(',')
    await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place], { timeout: commandMsMax })
  } else if (!isNew) return
  chmodSync(place, 0o777)
  if (groupID === undefined) return
  chownSync(place, 0, groupID)
  chmodSync(place, 0o2777)
}

/** Where a claim's volume is: on this node, as the scheduler has seen to that. */
async function claimedPath(
  pod: Pod,
  claimName: string,
  groupID: number | undefined,
  sources: VolumeSources,
): Promise<string> {
  const namespace = pod.metadata.namespace ?? ''
  const claim = await sources.claim(namespace, claimName)
  if (claim === undefined) throw new VolumeError(`persistentvolumeclaim "${claimName}" not found`)
  const volumeName = claim.spec?.volumeName ?? ''
  const volume = claim.status?.phase === 'Bound' ? await sources.persistentVolume(volumeName) : undefined
  if (volume === undefined) throw new VolumeError(`PVC is not bound`)
  const place = volume.spec?.local?.path ?? volume.spec?.hostPath?.path
  if (place === undefined) throw new VolumeError(`no volume plugin matched name: persistent volume ${volumeName}`)
  const isOurs = volume.metadata.annotations?.[provisionedByAnnotation] === localPathProvisioner
  if (isOurs && statSync(place, { throwIfNoEntry: false }) === undefined) {
    mkdirSync(place, { recursive: true, mode: 0o777 })
    chmodSync(place, 0o777)
  }
  if (volume.spec?.hostPath !== undefined) prepareHostPath(place, volume.spec.hostPath.type ?? '')
  else if (statSync(place, { throwIfNoEntry: false }) === undefined)
    throw new VolumeError(`path "${place}" does not exist`)
  if (groupID !== undefined && volume.spec?.local !== undefined) {
    chownSync(place, statSync(place).uid, groupID)
    chmodSync(place, (statSync(place).mode & 0o7777) | 0o2770)
  }
  return place
}

/** The place of a path inside a volume. @throws VolumeError when it would lead out of it. Made as a directory where it is missing. */
export function subPathOf(volumePath: string, subPath: string): string {
  if (subPath.split('/').includes('..')) throw new VolumeError(`subPath "${subPath}" must not contain '..'`)
  const place = path.join(volumePath, subPath)
  const root = realpathSync(volumePath)
  let existing = place
  while (statSync(existing, { throwIfNoEntry: false }) === undefined) existing = path.dirname(existing)
  const isInside = (real: string): boolean => real === root || real.startsWith(`${root}/`)
  // Looked at before anything is made, so that no link of the volume has a directory made elsewhere.
  if (!isInside(realpathSync(existing))) throw new VolumeError(`subPath "${subPath}" leads out of its volume`)
  mkdirSync(existing === place ? volumePath : place, { recursive: true, mode: 0o777 })
  return realpathSync(place)
}

/** Mount points at and below the directory, innermost first. */
function mountsBelow(directory: string): string[] {
  const places = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[1] ?? '').replaceAll(/\\(\d{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
  return places.filter((place) => place === directory || place.startsWith(`${directory}/`)).toReversed()
}
