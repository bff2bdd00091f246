import { createHash } from 'node:crypto'
import path from 'node:path'
import type { Container } from '@binnacle/resources'
import type { ContainerConfig, LinuxContainerResources, Mount, RuntimeImage } from '../cri/messages.ts'
import { subPathOf, type MountedVolume } from '../volumes/pod-volumes.ts'
import { ConfigError, expand } from './environment.ts'
import { podText, type Pod } from './pod.ts'
import {
  containerNameLabel,
  hashAnnotation,
  podNameLabel,
  podNamespaceLabel,
  podUIDLabel,
  terminationFileAnnotation,
  terminationPolicyAnnotation,
} from './runtime-view.ts'
import { namespacesOf, seccompOf } from './sandbox-config.ts'

/** What a container is made of besides its spec. */
export interface ContainerParts {
  readonly attempt: number
  /** How the runtime names the image. */
  readonly imageRef: string
  readonly image: RuntimeImage
  readonly environment: ReadonlyMap<string, string>
  readonly volumes: ReadonlyMap<string, MountedVolume>
  readonly resources: LinuxContainerResources
  /** Files of the node that are mounted besides volumes. */
  readonly hostsFile: string | undefined
  readonly terminationFile: string
  readonly seccompRoot: string
  /** The container of whose processes this one sees: of an ephemeral container. */
  readonly targetId: string | undefined
}

/** What may not change of a running container; kubelet hashes the image alone since 1.31. */
export function containerHash({ name, image }: Container): string {
  return createHash('sha256')
    .update(`${name}\0${image ?? ''}`)
    .digest('hex')
    .slice(0, 16)
}

const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** How a container is made (kubelet `generateContainerConfig`). @throws ConfigError when the spec and what is there do not go together. */
export function containerConfig(pod: Pod, container: Container, parts: ContainerParts): ContainerConfig {
  refuseMissingIsolation(pod, container)
  const { name } = container
  const expanded = (texts: readonly string[] | undefined): string[] =>
    (texts ?? []).map((text) => expand(text, parts.environment))
  return {
    metadata: { name, attempt: parts.attempt },
    image: { image: parts.imageRef },
    command: expanded(container.command),
    args: expanded(container.args),
    workingDir: container.workingDir ?? '',
    envs: [...parts.environment].map(([key, value]) => ({ key, value })),
    mounts: mountsOf(container, parts),
    labels: {
      [podNameLabel]: pod.metadata.name,
      [podNamespaceLabel]: pod.metadata.namespace ?? '',
      [podUIDLabel]: pod.metadata.uid ?? '',
      [containerNameLabel]: name,
    },
    annotations: {
      [hashAnnotation]: containerHash(container),
      [terminationFileAnnotation]: parts.terminationFile,
      [terminationPolicyAnnotation]: container.terminationMessagePolicy ?? 'File',
      'io.kubernetes.container.restartCount': String(parts.attempt),
    },
    logPath: path.join(name, `${parts.attempt}.log`),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    linux: { resources: parts.resources, securityContext: securityContext(pod, container, parts) },
  }
}

/** Nothing runs with less isolation than its spec asks for. */
function refuseMissingIsolation({ spec }: Pod, container: Container): void {
  if (spec.hostUsers === false) throw new ConfigError('user namespaces are not supported by this node')
  if (spec.runtimeClassName !== undefined) throw new ConfigError('runtime classes are not supported by this node')
  const profile = container.securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile
  if (profile !== undefined && profile.type !== 'Unconfined')
    throw new ConfigError('Cannot enforce AppArmor: AppArmor profiles are not supported by this node')
}

function mountsOf(container: Container, parts: ContainerParts): Mount[] {
  const mounts = (container.volumeMounts ?? []).map((mount): Mount => {
    const volume = parts.volumes.get(mount.name)
    if (volume === undefined) throw new ConfigError(`volume "${mount.name}" is not mounted`)
    const subPath =
      mount.subPathExpr === undefined ? (mount.subPath ?? '') : expand(mount.subPathExpr, parts.environment)
    return {
      containerPath: path.isAbsolute(mount.mountPath) ? mount.mountPath : `/${mount.mountPath}`,
      hostPath: subPath === '' ? volume.hostPath : subPathOf(volume.hostPath, subPath),
      readonly: mount.readOnly === true || volume.isReadOnly,
      propagation: propagations[mount.mountPropagation ?? 'None'] ?? 'PROPAGATION_PRIVATE',
    }
  })
  const file = (containerPath: string, hostPath: string): Mount => ({ containerPath, hostPath, readonly: false })
  const hasHosts = mounts.some(({ containerPath }) => containerPath === '/etc/hosts')
  if (parts.hostsFile !== undefined && !hasHosts) mounts.push(file('/etc/hosts', parts.hostsFile))
  mounts.push(file(container.terminationMessagePath || '/dev/termination-log', parts.terminationFile))
  return mounts
}

const propagations: Readonly<Record<string, NonNullable<Mount['propagation']>>> = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
}

type SecurityContext = ContainerConfig['linux']['securityContext']

function securityContext(pod: Pod, container: Container, parts: ContainerParts): SecurityContext {
  const ofPod = pod.spec.securityContext ?? {}
  const own = container.securityContext ?? {}
  const user = own.runAsUser ?? ofPod.runAsUser
  const group = own.runAsGroup ?? ofPod.runAsGroup
  const imageUser = parts.image.uid
  if (own.runAsNonRoot ?? ofPod.runAsNonRoot) verifyNonRoot(pod, container, user, parts.image)
  const privileged = own.privileged === true
  const profile = own.seccompProfile ?? ofPod.seccompProfile
  const runsAs =
    user !== undefined
      ? { runAsUser: { value: user } }
      : imageUser !== null
        ? { runAsUser: imageUser }
        : parts.image.username === ''
          ? {}
          : { runAsUsername: parts.image.username }
  const pathsAreOpen = privileged || own.procMount === 'Unmasked'
  const namespaceOptions = namespacesOf(pod, true)
  return {
    capabilities: {
      addCapabilities: own.capabilities?.add ?? [],
      dropCapabilities: own.capabilities?.drop ?? [],
    },
    privileged,
    namespaceOptions:
      parts.targetId === undefined
        ? namespaceOptions
        : { ...namespaceOptions, pid: 'TARGET', targetId: parts.targetId },
    ...runsAs,
    ...(group === undefined || Object.keys(runsAs).length === 0 ? {} : { runAsGroup: { value: group } }),
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    supplementalGroups: [...(ofPod.supplementalGroups ?? []), ...(ofPod.fsGroup === undefined ? [] : [ofPod.fsGroup])],
    noNewPrivs: own.allowPrivilegeEscalation === false && !privileged,
    maskedPaths: pathsAreOpen ? [] : maskedPaths,
    readonlyPaths: pathsAreOpen ? [] : readonlyPaths,
    seccomp: privileged ? { profileType: 'Unconfined' } : seccompOf(profile, parts.seccompRoot),
  }
}

/** As kubelet `verifyRunAsNonRoot`. */
function verifyNonRoot(pod: Pod, { name }: Container, user: number | undefined, image: RuntimeImage): void {
  const about = `(pod: "${podText(pod)}", container: ${name})`
  if (user !== undefined) {
    if (user === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${about}`)
  } else if (image.username !== '') {
    const text = `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root`
    throw new ConfigError(`${text} ${about}`)
  } else if (image.uid === null || image.uid.value === '0') {
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${about}`)
  }
}
