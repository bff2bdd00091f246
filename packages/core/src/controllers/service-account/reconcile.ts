import {
  isAlreadyExists,
  isNamespaceTerminating,
  isNotFound,
  jsonEqual,
  type KubernetesObject,
  type ObjectKey,
} from '@binnacle/apimachinery'
import { type ConfigMap, configMaps, namespaces, type ResourceDefinition, serviceAccounts } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'

const rootCaName = 'kube-root-ca.crt'

const namespaceOf = (object: KubernetesObject): ObjectKey[] => [
  { namespace: '', name: object.metadata.namespace ?? '' },
]

/** Gives every namespace a ServiceAccount `default` (`serviceaccounts_controller.go`). */
export const serviceAccountController: Controller = {
  name: 'serviceaccount',
  reconciles: namespaces,
  watches: [
    {
      resource: serviceAccounts,
      keysOf: (account) => (account.metadata.name === 'default' ? namespaceOf(account) : []),
    },
  ],
  async reconcile(key, context) {
    if (!isActive(key, context)) return done
    const name = { namespace: key.name, name: 'default' }
    if (context.informer(serviceAccounts).get(name) !== undefined) return done
    return await createUnlessThere(context, serviceAccounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { ...name },
    })
  },
}

/** Publishes the cluster's certificate authority in every namespace, for pods that talk to the API (`rootcacertpublisher`). */
export function rootCaController(rootCa: string): Controller {
  return {
    name: 'root-ca-certificate-publisher',
    reconciles: namespaces,
    watches: [{ resource: configMaps, keysOf: (map) => (map.metadata.name === rootCaName ? namespaceOf(map) : []) }],
    async reconcile(key, context) {
      if (!isActive(key, context)) return done
      const name = { namespace: key.name, name: rootCaName }
      const data = { 'ca.crt': rootCa }
      const existing = context.informer(configMaps).get(name)
      if (existing === undefined) {
        const annotations = {
          'kubernetes.io/description':
            'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
        }
        return await createUnlessThere(context, configMaps, {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { ...name, annotations },
          data,
        } as ConfigMap)
      }
      if (!jsonEqual(existing.data, data)) await context.client.update(configMaps, { ...existing, data })
      return done
    },
  }
}

function isActive(key: ObjectKey, context: ReconcileContext): boolean {
  const namespace = context.informer(namespaces).get(key)
  return (
    namespace !== undefined &&
    namespace.metadata.deletionTimestamp === undefined &&
    namespace.status?.phase !== 'Terminating'
  )
}

async function createUnlessThere<T extends KubernetesObject>(
  context: ReconcileContext,
  resource: ResourceDefinition<T>,
  object: T,
): Promise<Result> {
  await context.client.create(resource, object).catch((error: unknown) => {
    if (!isAlreadyExists(error) && !isNotFound(error) && !isNamespaceTerminating(error)) throw error
  })
  return done
}
