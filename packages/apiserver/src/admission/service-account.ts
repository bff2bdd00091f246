import { forbidden, randomSuffix } from '@binnacle/apimachinery'
import { type Pod, type PodSpec, pods, type ServiceAccount, serviceAccounts } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'
import { checkMountableSecrets, checkMountableSecretsOfDebugger, referencesSecrets } from './secret-references.ts'

const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const tokenSeconds = 3607
const mirrorAnnotation = 'kubernetes.io/config.mirror'

/**
 * A new pod runs as its ServiceAccount: it has the account's token and its pull secrets, and where the account says so only its secrets (plugin
 * ServiceAccount). @throws StatusError Forbidden
 */
export async function admitServiceAccount(store: AdmissionStore, pod: Pod, spec: PodSpec): Promise<void> {
  // The kubelet made it from a file, and ends it when it is not as in the file.
  if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) return checkMirrorPod(pod, spec)
  const name = spec.serviceAccountName || 'default'
  spec.serviceAccountName = name
  spec.serviceAccount = name
  const account = await accountOf(store, pod, name)
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec)
  if ((spec.imagePullSecrets ?? []).length === 0 && account.imagePullSecrets !== undefined)
    spec.imagePullSecrets = [...account.imagePullSecrets]
  checkMountableSecrets(account, pod, spec)
}

/** Containers that are added to a running pod are bound to the same secrets. @throws StatusError Forbidden */
export async function checkEphemeralContainers(store: AdmissionStore, pod: Pod, spec: PodSpec): Promise<void> {
  if (!spec.serviceAccountName) return
  checkMountableSecretsOfDebugger(await accountOf(store, pod, spec.serviceAccountName), pod, spec)
}

function checkMirrorPod(pod: Pod, spec: PodSpec): void {
  const refuse = (why: string): Error => forbidden(pods, pod.metadata.name, why)
  if (spec.serviceAccountName) throw refuse('a mirror pod may not reference service accounts')
  if (referencesSecrets(spec)) throw refuse('a mirror pod may not reference secrets')
  for (const { projected } of spec.volumes ?? [])
    if (projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken !== undefined) === true)
      throw refuse('a mirror pod may not use ServiceAccountToken volume projections')
}

async function accountOf(store: AdmissionStore, pod: Pod, name: string): Promise<ServiceAccount> {
  const namespace = pod.metadata.namespace ?? ''
  const key = { resource: serviceAccounts.storageName, namespace, name }
  let stored = store.get(key)
  if (stored === undefined) {
    // Another API process may have created it just now.
    await store.linearize()
    stored = store.get(key)
  }
  if (stored !== undefined) return stored.parse() as ServiceAccount
  throw forbidden(
    pods,
    pod.metadata.name,
    `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`,
  )
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
