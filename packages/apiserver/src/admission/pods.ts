import { forbidden, type KubernetesObject } from '@binnacle/apimachinery'
import { type Pod, type PodSpec, pods, type PriorityClass, type Toleration } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'
import { applyRuntimeClass } from './runtime-class.ts'
import { admitServiceAccount, checkEphemeralContainers } from './service-account.ts'
import { addTopologyLabels } from './topology-labels.ts'

const tolerationSeconds = 300

/** What the plugins ServiceAccount, Priority, DefaultTolerationSeconds, RuntimeClass and PodTopologyLabels do to a new pod. */
export async function admitPod(store: AdmissionStore, object: KubernetesObject): Promise<void> {
  const pod = object as Pod
  const { spec } = pod
  if (spec === undefined) return
  await admitServiceAccount(store, pod, spec)
  addPriority(store, pod, spec)
  addTolerations(spec)
  await applyRuntimeClass(store, pod, spec)
  addTopologyLabels(store, pod)
}

/**
 * What the same plugins do to a pod that is changed: what they once added stays although the new state does not name it, as that of a replace by
 * the pod's first manifest. @throws StatusError Forbidden
 */
export async function admitPodUpdate(
  store: AdmissionStore,
  pod: Pod,
  old: Pod,
  subresource: string | undefined,
): Promise<void> {
  const { spec } = pod
  if (spec === undefined) return
  if (subresource === 'ephemeralcontainers') await checkEphemeralContainers(store, pod, spec)
  if (subresource !== undefined) return
  if (spec.priority === undefined && old.spec?.priority !== undefined) spec.priority = old.spec.priority
  if (spec.preemptionPolicy === undefined && old.spec?.preemptionPolicy !== undefined)
    spec.preemptionPolicy = old.spec.preemptionPolicy
  addTolerations(spec)
}

function addPriority(store: AdmissionStore, pod: Pod, spec: PodSpec): void {
  const named = spec.priorityClassName
  const priorityClass = named
    ? (store.get({ resource: 'priorityclasses.scheduling.k8s.io', namespace: '', name: named })?.parse() as
        | PriorityClass
        | undefined)
    : globalDefault(store)
  if (named && priorityClass === undefined)
    throw forbidden(pods, pod.metadata.name, `no PriorityClass with name ${named} was found`)
  const value = priorityClass?.value ?? 0
  if (spec.priority !== undefined && spec.priority !== value) {
    throw forbidden(
      pods,
      pod.metadata.name,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    )
  }
  spec.priority = value
  if (!named && priorityClass !== undefined) spec.priorityClassName = priorityClass.metadata.name
  spec.preemptionPolicy ??= priorityClass?.preemptionPolicy ?? 'PreemptLowerPriority'
}

function globalDefault(store: AdmissionStore): PriorityClass | undefined {
  const all = store
    .list({ resource: 'priorityclasses.scheduling.k8s.io' })
    .objects.map((object) => object.parse() as PriorityClass)
    .filter((priorityClass) => priorityClass.globalDefault === true)
  return all.sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0]
}

// A node that is briefly away keeps its pods for five minutes.
function addTolerations(spec: PodSpec): void {
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const tolerated = (spec.tolerations ?? []).some(
      (toleration) =>
        toleratesEverything(toleration) ||
        (toleration.key === key && (toleration.effect === 'NoExecute' || !toleration.effect)),
    )
    if (!tolerated)
      spec.tolerations = [
        ...(spec.tolerations ?? []),
        { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds },
      ]
  }
}

function toleratesEverything(toleration: Toleration): boolean {
  return (
    !toleration.key && toleration.operator === 'Exists' && (toleration.effect === 'NoExecute' || !toleration.effect)
  )
}
