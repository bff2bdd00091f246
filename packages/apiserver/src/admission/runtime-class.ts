import { forbidden, semanticEqual } from '@binnacle/apimachinery'
import { type Pod, type PodSpec, pods, type RuntimeClass, runtimeClasses } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

/** A pod takes overhead, node selector and tolerations of the RuntimeClass that it names (plugin RuntimeClass). @throws StatusError Forbidden */
export async function applyRuntimeClass(store: AdmissionStore, pod: Pod, spec: PodSpec): Promise<void> {
  const fail = (why: string) => forbidden(pods, pod.metadata.name, `pod rejected: ${why}`)
  const runtimeClass = spec.runtimeClassName ? await find(store, spec.runtimeClassName) : undefined
  if (spec.runtimeClassName && runtimeClass === undefined)
    throw fail(`RuntimeClass "${spec.runtimeClassName}" not found`)
  const overhead = runtimeClass?.overhead?.podFixed
  if (spec.overhead !== undefined && overhead === undefined)
    throw fail('Pod Overhead set without corresponding RuntimeClass defined Overhead')
  if (spec.overhead !== undefined && !semanticEqual(spec.overhead, overhead))
    throw fail("Pod's Overhead doesn't match RuntimeClass's defined Overhead")
  if (overhead !== undefined) spec.overhead = { ...overhead }
  const { nodeSelector = {}, tolerations = [] } = runtimeClass?.scheduling ?? {}
  for (const [key, value] of Object.entries(nodeSelector)) {
    const own = spec.nodeSelector?.[key]
    if (own !== undefined && own !== value)
      throw forbidden(
        pods,
        pod.metadata.name,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      )
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value }
  }
  for (const toleration of tolerations)
    if (!(spec.tolerations ?? []).some((own) => semanticEqual(own, toleration)))
      spec.tolerations = [...(spec.tolerations ?? []), toleration]
}

async function find(store: AdmissionStore, name: string): Promise<RuntimeClass | undefined> {
  const key = { resource: runtimeClasses.storageName, namespace: '', name }
  // Another API process may have created it just now.
  if (store.get(key) === undefined) await store.linearize()
  return store.get(key)?.parse() as RuntimeClass | undefined
}
