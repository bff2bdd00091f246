import { canonicalQuantity } from '@binnacle/apimachinery'
import type { Container, PodSpec, PodTemplateSpec, Probe, Volume } from '../generated/types.ts'

/** Fills in a pod's defaults (kube-apiserver `SetDefaults_PodSpec`, `SetDefaults_Container`, … ). Idempotent. */
export function applyPodSpecDefaults(spec: PodSpec): void {
  spec.dnsPolicy ??= 'ClusterFirst'
  spec.restartPolicy ??= 'Always'
  spec.securityContext ??= {}
  spec.terminationGracePeriodSeconds ??= 30
  spec.schedulerName ??= 'default-scheduler'
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount
  for (const list of [spec.initContainers, spec.containers, spec.ephemeralContainers as Container[] | undefined]) {
    for (const container of list ?? []) applyContainerDefaults(container)
  }
  for (const volume of spec.volumes ?? []) applyVolumeDefaults(volume)
  if (spec.overhead !== undefined) canonicalize(spec.overhead)
}

/** The same for the template of a workload. */
export function applyPodTemplateDefaults(template: PodTemplateSpec | undefined): void {
  if (template === undefined) return
  template.metadata ??= {} as NonNullable<PodTemplateSpec['metadata']>
  if (template.spec !== undefined) applyPodSpecDefaults(template.spec)
}

function applyContainerDefaults(container: Container): void {
  container.terminationMessagePath ??= '/dev/termination-log'
  container.terminationMessagePolicy ??= 'File'
  container.imagePullPolicy ??= defaultPullPolicy(container.image ?? '')
  container.resources ??= {}
  const { limits, requests } = container.resources
  if (limits !== undefined) canonicalize(limits)
  if (requests !== undefined) canonicalize(requests)
  for (const port of container.ports ?? []) port.protocol ||= 'TCP'
  for (const variable of container.env ?? []) {
    const reference = variable.valueFrom?.fieldRef
    if (reference !== undefined) reference.apiVersion ??= 'v1'
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe])
    if (probe !== undefined) applyProbeDefaults(probe)
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop]) {
    if (handler?.httpGet !== undefined) applyHttpGetDefaults(handler.httpGet)
  }
}

// An image without a tag, or with the tag `latest`, may change under its name; a digest never does.
function defaultPullPolicy(image: string): string {
  const [name = '', digest] = image.split('@')
  const tag = /:([^/:]+)$/.exec(name)?.[1]
  return digest === undefined && (tag === undefined || tag === 'latest') ? 'Always' : 'IfNotPresent'
}

function applyProbeDefaults(probe: Probe): void {
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  if (probe.httpGet !== undefined) applyHttpGetDefaults(probe.httpGet)
  if (probe.grpc !== undefined) probe.grpc.service ??= ''
}

function applyHttpGetDefaults(action: { path?: string; scheme?: string }): void {
  action.path ||= '/'
  action.scheme ??= 'HTTP'
}

const fileMode = 0o644

function applyVolumeDefaults(volume: Volume): void {
  const sources = Object.keys(volume).filter(
    (key) => key !== 'name' && (volume as unknown as Record<string, unknown>)[key] !== undefined,
  )
  if (sources.length === 0) volume.emptyDir = {}
  if (volume.secret !== undefined) volume.secret.defaultMode ??= fileMode
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= fileMode
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= fileMode
    for (const item of volume.downwardAPI.items ?? [])
      if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1'
  }
  if (volume.hostPath !== undefined) volume.hostPath.type ??= ''
  if (volume.iscsi !== undefined) volume.iscsi.iscsiInterface ||= 'default'
  if (volume.rbd !== undefined) {
    volume.rbd.pool ||= 'rbd'
    volume.rbd.user ||= 'admin'
    volume.rbd.keyring ||= '/etc/ceph/keyring'
  }
  if (volume.azureDisk !== undefined) {
    volume.azureDisk.cachingMode ??= 'ReadWrite'
    volume.azureDisk.kind ??= 'Shared'
    volume.azureDisk.fsType ??= 'ext4'
    volume.azureDisk.readOnly ??= false
  }
  if (volume.scaleIO !== undefined) {
    volume.scaleIO.storageMode ||= 'ThinProvisioned'
    volume.scaleIO.fsType ||= 'xfs'
  }
  if (volume.ephemeral?.volumeClaimTemplate !== undefined)
    volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= 'Filesystem'
  if (volume.image !== undefined) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference ?? '')
  if (volume.projected !== undefined) {
    volume.projected.defaultMode ??= fileMode
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600
      for (const item of source.downwardAPI?.items ?? [])
        if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1'
    }
  }
}

/** Brings quantities into their canonical form, as decoding does upstream. */
export function canonicalize(amounts: Record<string, string>): void {
  for (const name in amounts) amounts[name] = canonicalQuantity(amounts[name] as string)
}
