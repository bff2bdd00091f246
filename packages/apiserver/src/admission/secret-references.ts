import { forbidden } from '@binnacle/apimachinery'
import { type Container, type Pod, type PodSpec, pods, type ServiceAccount, type Volume } from '@binnacle/resources'

/** Which Secrets a pod refers to, and whether its ServiceAccount may mount them (plugin ServiceAccount, `podutil.VisitPodSecretNames`). */

const enforceAnnotation = 'kubernetes.io/enforce-mountable-secrets'
const trueTexts = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])

type SomeContainer = Pick<Container, 'name' | 'env' | 'envFrom'>

/** The pod names a Secret anywhere. */
export function referencesSecrets(spec: PodSpec): boolean {
  const containers: readonly SomeContainer[] = [
    ...(spec.initContainers ?? []),
    ...spec.containers,
    ...(spec.ephemeralContainers ?? []),
  ]
  return (
    (spec.imagePullSecrets ?? []).some(({ name }) => Boolean(name)) ||
    containers.some((container) => [...variablesOf(container), ...sourcesOf(container)].length > 0) ||
    (spec.volumes ?? []).some(volumeReferencesSecrets)
  )
}

function volumeReferencesSecrets(volume: Volume): boolean {
  const names = [
    volume.azureFile?.secretName,
    volume.secret?.secretName,
    ...[
      volume.cephfs,
      volume.cinder,
      volume.flexVolume,
      volume.rbd,
      volume.scaleIO,
      volume.iscsi,
      volume.storageos,
    ].map((source) => source?.secretRef?.name),
    volume.csi?.nodePublishSecretRef?.name,
    ...(volume.projected?.sources ?? []).map(({ secret }) => secret?.name),
  ]
  return names.some(Boolean)
}

/** A variable of a container that has the value of a Secret, and which. */
function variablesOf({ env }: SomeContainer): readonly (readonly [variable: string, secret: string])[] {
  return (env ?? []).flatMap(({ name, valueFrom }) =>
    valueFrom?.secretKeyRef === undefined ? [] : [[name, valueFrom.secretKeyRef.name ?? ''] as const],
  )
}

function sourcesOf({ envFrom }: SomeContainer): readonly string[] {
  return (envFrom ?? []).flatMap(({ secretRef }) => (secretRef === undefined ? [] : [secretRef.name ?? '']))
}

/** Where an account says that only its own secrets may be mounted, pods of that account name no other. @throws StatusError Forbidden */
export function checkMountableSecrets(account: ServiceAccount, pod: Pod, spec: PodSpec): void {
  if (!enforces(account)) return
  const isMountable = mountableBy(account)
  const refuse = refusalFor(account, pod)
  for (const { secret } of spec.volumes ?? [])
    if (secret !== undefined && !isMountable(secret.secretName ?? ''))
      throw refuse(`volume with secret.secretName="${secret.secretName ?? ''}"`)
  for (const container of spec.initContainers ?? []) checkContainer('init container', container, isMountable, refuse)
  for (const container of spec.containers) checkContainer('container', container, isMountable, refuse)
  const pullSecrets = new Set((account.imagePullSecrets ?? []).map(({ name }) => name))
  for (const [index, { name = '' }] of (spec.imagePullSecrets ?? []).entries())
    if (!pullSecrets.has(name)) throw refuse(`imagePullSecrets[${index}].name="${name}"`, 'imagePullSecret')
}

/** The same for ephemeral containers. @throws StatusError Forbidden */
export function checkMountableSecretsOfDebugger(account: ServiceAccount, pod: Pod, spec: PodSpec): void {
  if (!enforces(account)) return
  for (const container of spec.ephemeralContainers ?? [])
    checkContainer('ephemeral container', container, mountableBy(account), refusalFor(account, pod))
}

function enforces({ metadata }: ServiceAccount): boolean {
  return trueTexts.has(metadata.annotations?.[enforceAnnotation] ?? '')
}

function mountableBy(account: ServiceAccount): (secret: string) => boolean {
  const names = new Set((account.secrets ?? []).map(({ name }) => name))
  return (secret) => names.has(secret)
}

type Refuse = (what: string, kind?: string) => Error

function refusalFor(account: ServiceAccount, { metadata }: Pod): Refuse {
  return (what, kind = 'secret') =>
    forbidden(
      pods,
      metadata.name,
      `${what} is not allowed because service account ${account.metadata.name} does not reference that ${kind}`,
    )
}

function checkContainer(
  what: string,
  container: SomeContainer,
  isMountable: (secret: string) => boolean,
  refuse: Refuse,
): void {
  for (const [variable, secret] of variablesOf(container))
    if (!isMountable(secret))
      throw refuse(`${what} ${container.name} with envVar ${variable} referencing secret.secretName="${secret}"`)
  for (const secret of sourcesOf(container))
    if (!isMountable(secret))
      throw refuse(`${what} ${container.name} with envFrom referencing secret.secretName="${secret}"`)
}
