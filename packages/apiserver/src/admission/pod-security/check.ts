import type { Container, Pod, PodSpec, SecurityContext } from '@binnacle/resources'

/** What a pod breaks: the reason in a few words, and who in it breaks it. */
export interface Violation {
  readonly reason: string
  readonly detail: string
}

/** A pod as checks see it: one that is created, or the template of one. */
export interface CheckedPod {
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: PodSpec
}

/** A rule of the Pod Security Standards, as it came to be over Kubernetes' versions. */
export interface Check {
  readonly id: string
  /** The least strict level that has the rule. */
  readonly level: 'baseline' | 'restricted'
  /** Its forms, the oldest first. */
  readonly versions: readonly CheckVersion[]
}

/** A form of a rule. */
export interface CheckVersion {
  /** The minor version of Kubernetes that brought it. */
  readonly since: number
  /** Checks of the level baseline that need not be made where this one is. */
  readonly replaces?: string
  violationOf(pod: CheckedPod): Violation | undefined
}

/** What all kinds of containers have in common, as far as rules look at it. */
export type CheckedContainer = Pick<Container, 'name' | 'ports' | 'securityContext' | 'lifecycle'> &
  Pick<Container, 'livenessProbe' | 'readinessProbe' | 'startupProbe'>

/** Every container of the pod, in the order in which they are named in messages. */
export function containersOf({ spec }: CheckedPod): readonly CheckedContainer[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])]
}

/** Names of the containers whose security context is as asked. */
export function containersWhere(
  pod: CheckedPod,
  isSo: (context: SecurityContext | undefined) => boolean,
): readonly string[] {
  return containersOf(pod)
    .filter(({ securityContext }) => isSo(securityContext))
    .map(({ name }) => name)
}

/** `"a", "b"`. */
export function quoted(texts: readonly string[]): string {
  return texts.length === 0 ? '' : `"${texts.join('", "')}"`
}

/** The word in the number that fits. */
export function plural(word: string, count: number): string {
  return count === 1 ? word : `${word}s`
}

/** `container "a"`, `containers "a", "b"`. */
export function named(kind: 'container' | 'volume', names: readonly string[]): string {
  return `${plural(kind, names.length)} ${quoted(names)}`
}

/** The pod itself, where its own fields break the rule, and the containers whose fields do: `pod and container "a"`. */
export function settersText(isPodOne: boolean, containers: readonly string[]): string {
  return [...(isPodOne ? ['pod'] : []), ...(containers.length > 0 ? [named('container', containers)] : [])].join(
    ' and ',
  )
}

/** Each value once, in order. */
export function sorted(values: Iterable<string>): readonly string[] {
  return [...new Set(values)].sort()
}

/** The pod's users are not those of the node, so it may be root among its own. */
export function hasOwnUsers({ spec }: CheckedPod): boolean {
  return spec.hostUsers === false
}

/** Rules about what Windows does not know are not held against pods for it. */
export function isForWindows({ spec }: CheckedPod): boolean {
  return spec.os?.name === 'windows'
}

/** What a pod that is created has of this. */
export function checkedPod({ metadata, spec }: Pick<Pod, 'metadata' | 'spec'>): CheckedPod | undefined {
  return spec === undefined ? undefined : { annotations: metadata?.annotations ?? {}, spec }
}
