import { forbidden, type KubernetesObject, randomSuffix } from '@binnacle/apimachinery'
import {
  type Pod,
  type PodSpec,
  pods,
  type PriorityClass,
  type ServiceAccount,
  type Toleration,
} from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'
import { applyRuntimeClass } from './runtime-class.ts'

const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const tokenSeconds = 3607
const tolerationSeconds = 300
const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** What the plugins ServiceAccount, Priority, DefaultTolerationSeconds and RuntimeClass do to a new pod. */
export async function admitPod(store: AdmissionStore, object: KubernetesObject): Promise<void> {
  const pod = object as Pod
  const { spec } = pod
  if (spec === undefined) return
  if (pod.metadata.annotations?.[mirrorAnnotation] === undefined) await addServiceAccount(store, pod, spec)
  addPriority(store, pod, spec)
  addTolerations(spec)
  await applyRuntimeClass(store, pod, spec)
}

async function addServiceAccount(store: AdmissionStore, pod: Pod, spec: PodSpec): Promise<void> {
  const name = spec.serviceAccountName || 'default'
  spec.serviceAccountName = name
  spec.serviceAccount = name
  const namespace = pod.metadata.namespace ?? ''
  const key = { resource: 'serviceaccounts', namespace, name }
  let stored = store.get(key)
  if (stored === undefined) {
    await store.linearize()
    stored = store.get(key)
  }
  if (stored === undefined)
    throw forbidden(
      pods,
      pod.metadata.name,
      `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`,
    )
  const account = stored.parse() as ServiceAccount
  if ((spec.imagePullSecrets ?? []).length === 0 && account.imagePullSecrets !== undefined)
    spec.imagePullSecrets = [...account.imagePullSecrets]
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec)
}

function mountToken(spec: PodSpec): void {
  const containers = [...(spec.initContainers ?? []), ...spec.containers]
  const missing = containers.filter(
    (container) => container.volumeMounts?.some((mount) => mount.mountPath === tokenMountPath) !== true,
  )
  if (missing.length === 0) return
  const existing = (spec.volumes ?? []).find(
    (volume) => volume.name.startsWith('kube-api-access-') && volume.projected !== undefined,
  )
  const name = existing?.name ?? `kube-api-access-${randomSuffix()}`
  if (existing === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)]
  for (const container of missing)
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: tokenMountPath }]
}

function tokenVolume(name: string): NonNullable<PodSpec['volumes']>[number] {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  }
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
