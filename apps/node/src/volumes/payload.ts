import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  ProjectedVolumeSource,
  Secret,
  Volume,
} from '@binnacle/resources'
import { type FieldFacts, fieldValue, type PodReferences, resourceValue } from '../kubelet/environment.ts'
import type { Pod } from '../kubelet/pod.ts'
import type { Payload, VolumeFile } from './atomic-writer.ts'

/** Thrown when a volume cannot be made ready; the message is what the pod's event says. */
export class VolumeError extends Error {}

/** What is needed to fill volumes. */
export interface PayloadSources extends PodReferences {
  readonly facts: FieldFacts
  /** A token of the pod's service account. Calls that come before it is near its end give the same one. */
  serviceAccountToken(pod: Pod, audience: string, expirationSeconds: number): Promise<string>
  /** Certificates of a cluster trust bundle; undefined: there is none of that name. */
  trustBundle(name: string): Promise<string | undefined>
}

const modeDefault = 0o644
const tokenSecondsDefault = 3600

/** True for a volume whose files the agent writes. */
export function hasPayload(volume: Volume): boolean {
  const { configMap, secret, downwardAPI, projected } = volume
  return (configMap ?? secret ?? downwardAPI ?? projected) !== undefined
}

/** The files that a configMap, secret, downwardAPI or projected volume is to hold now. @throws VolumeError when something is missing. */
export async function payloadOf(pod: Pod, volume: Volume, sources: PayloadSources): Promise<Payload> {
  const { configMap, secret, downwardAPI, projected } = volume
  if (configMap !== undefined) {
    const { name = '', items, optional, defaultMode = modeDefault } = configMap
    return configMapFiles(name, await sources.configMap(name), { items, optional, mode: defaultMode })
  }
  if (secret !== undefined) {
    const { secretName: name = '', items, optional, defaultMode = modeDefault } = secret
    return secretFiles(name, await sources.secret(name), { items, optional, mode: defaultMode })
  }
  if (downwardAPI !== undefined) {
    return downwardFiles(pod, downwardAPI.items ?? [], downwardAPI.defaultMode ?? modeDefault, sources.facts)
  }
  return await projectedFiles(pod, projected ?? {}, sources)
}

async function projectedFiles(
  pod: Pod,
  { sources: projections = [], defaultMode: mode = modeDefault }: ProjectedVolumeSource,
  sources: PayloadSources,
): Promise<Payload> {
  const files = new Map<string, VolumeFile>()
  const add = (more: Payload): void => {
    for (const [name, file] of more) files.set(name, file)
  }
  for (const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle } of projections) {
    if (configMap !== undefined) {
      const { name = '', items, optional } = configMap
      add(configMapFiles(name, await sources.configMap(name), { items, optional, mode }))
    }
    if (secret !== undefined) {
      const { name = '', items, optional } = secret
      add(secretFiles(name, await sources.secret(name), { items, optional, mode }))
    }
    if (downwardAPI !== undefined) add(downwardFiles(pod, downwardAPI.items ?? [], mode, sources.facts))
    if (serviceAccountToken !== undefined) {
      const { path, audience = '', expirationSeconds = tokenSecondsDefault } = serviceAccountToken
      const token = await sources.serviceAccountToken(pod, audience, expirationSeconds)
      files.set(path, { data: Buffer.from(token), mode: tokenMode(pod, mode) })
    }
    if (clusterTrustBundle !== undefined) {
      const { path, name, optional } = clusterTrustBundle
      const bundle = name === undefined ? undefined : await sources.trustBundle(name)
      if (bundle === undefined && optional !== true) throw new VolumeError(`clustertrustbundle "${name}" not found`)
      files.set(path, { data: Buffer.from(bundle ?? ''), mode })
    }
  }
  return files
}

// A token is read by its owner alone, unless the pod says by a user or group who else is to read it (`projected.go` collectData).
function tokenMode(pod: Pod, mode: number): number {
  return pod.spec.securityContext?.fsGroup === undefined ? mode : 0o600
}

interface Choice {
  readonly items: readonly KeyToPath[] | undefined
  readonly optional: boolean | undefined
  readonly mode: number
}

function configMapFiles(name: string, configMap: ConfigMap | undefined, choice: Choice): Payload {
  if (configMap === undefined && choice.optional !== true) throw new VolumeError(`configmap "${name}" not found`)
  const texts = Object.entries(configMap?.data ?? {}).map(([key, text]) => [key, Buffer.from(text)] as const)
  const binaries = Object.entries(configMap?.binaryData ?? {}).map(
    ([key, text]) => [key, Buffer.from(text, 'base64')] as const,
  )
  return chosen(new Map([...texts, ...binaries]), choice, `configmap references non-existent config key`)
}

function secretFiles(name: string, secret: Secret | undefined, choice: Choice): Payload {
  if (secret === undefined && choice.optional !== true) throw new VolumeError(`secret "${name}" not found`)
  const data = Object.entries(secret?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')] as const)
  return chosen(new Map(data), choice, `references non-existent secret key`)
}

function chosen(data: ReadonlyMap<string, Buffer>, { items, optional, mode }: Choice, problem: string): Payload {
  if (items === undefined || items.length === 0) {
    return new Map([...data].map(([key, bytes]) => [key, { data: bytes, mode }]))
  }
  const files = new Map<string, VolumeFile>()
  for (const item of items) {
    const bytes = data.get(item.key)
    if (bytes !== undefined) files.set(item.path, { data: bytes, mode: item.mode ?? mode })
    else if (optional !== true) throw new VolumeError(`${problem}: ${item.key}`)
  }
  return files
}

function downwardFiles(pod: Pod, items: readonly DownwardAPIVolumeFile[], mode: number, facts: FieldFacts): Payload {
  return new Map(
    items.map(({ path, fieldRef, resourceFieldRef, mode: own }) => {
      const text =
        fieldRef === undefined
          ? resourceValue(pod, pod.spec.containers[0]!, resourceFieldRef!, facts)
          : fieldValue(pod, fieldRef, facts)
      return [path, { data: Buffer.from(text), mode: own ?? mode }]
    }),
  )
}
