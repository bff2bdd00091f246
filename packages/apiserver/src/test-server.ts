import { type KubernetesObject, StatusError } from '@binnacle/apimachinery'
import { builtInRegistry, namespaces, type ResourceDefinition, serviceAccounts } from '@binnacle/resources'
import { openStore, type Store } from '@binnacle/store'
import { createTestDatabase } from '@binnacle/store/testing'
import { generateKeyPairSync } from 'node:crypto'
import type { ApiServer, RequestContext, UserInfo } from './api-server.ts'
import { Authenticator } from './auth/authenticate.ts'
import { fieldExtractions } from './field-extraction.ts'
import { followDefinitions } from './follow-definitions.ts'
import { createApiServer } from './server.ts'

/** An ApiServer over a database of its own, for this package's tests. */
export interface TestServer {
  readonly server: ApiServer
  readonly store: Store
  readonly authenticator: Authenticator
  /** A request of an administrator. */
  readonly request: RequestContext
  /** What the request was warned of; emptied by `takeWarnings`. */
  takeWarnings(): string[]
  /** A second ApiServer over a store of its own on the same database. */
  another(): Promise<{ readonly server: ApiServer; readonly store: Store }>
  /** Creates an object of a kind; the namespace is that of its metadata. */
  create<T extends KubernetesObject>(definition: ResourceDefinition<T>, object: object): Promise<T>
  /** Creates a namespace with its default ServiceAccount. */
  createNamespace(name: string): Promise<void>
  stop(): Promise<void>
}

const admin: UserInfo = { name: 'admin', groups: ['system:masters', 'system:authenticated'] }
const serviceCidr = '10.96.0.0/24'
// So little that tests leave it behind: what is older comes from Postgres.
const recentChangesBytesMax = 4096

/** Starts one. */
export async function startTestServer(): Promise<TestServer> {
  const database = await createTestDatabase()
  const registry = builtInRegistry()
  const open = async (): Promise<Store> =>
    await openStore({ url: database.url, fieldsOf: fieldExtractions(registry), recentChangesBytesMax })
  const store = await open()
  followDefinitions(store, registry)
  const others: Store[] = []
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const serviceAccountKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const authenticator = new Authenticator({ store, serviceAccountKey, issuer: 'https://kubernetes.default.svc' })
  const server = createApiServer({ store, registry, serviceCidr, authenticator })
  let warnings: string[] = []
  const request: RequestContext = {
    user: admin,
    requestId: 'test',
    userAgent: 'vitest/1.0',
    warn: (text) => warnings.push(text),
  }
  const create: TestServer['create'] = async (definition, object) => {
    const namespace = (object as { metadata?: { namespace?: string } }).metadata?.namespace ?? ''
    const answer = await server.create(
      request,
      definition as ResourceDefinition<any>,
      namespace,
      structuredClone(object),
    )
    return answer.object.parse()
  }
  return {
    server,
    store,
    authenticator,
    request,
    create,
    takeWarnings: () => [warnings, (warnings = [])][0] as string[],
    async another() {
      const own = await open()
      others.push(own)
      const ownRegistry = builtInRegistry()
      followDefinitions(own, ownRegistry)
      return { server: createApiServer({ store: own, registry: ownRegistry, serviceCidr }), store: own }
    },
    async createNamespace(name) {
      await create(namespaces, { metadata: { name } })
      await create(serviceAccounts, { metadata: { name: 'default', namespace: name } })
    },
    async stop() {
      for (const other of others) await other.close()
      await store.close()
      await database.drop()
    },
  }
}

/** The Status that a call is refused with. @throws Error when it is not refused */
export async function refusal(call: Promise<unknown>): Promise<StatusError['status']> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof StatusError) return error.status
  throw error ?? new Error('the call was not refused')
}
