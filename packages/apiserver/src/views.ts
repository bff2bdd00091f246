import type { ResourceDefinition, View } from '@binnacle/resources'
import { type KubernetesObject, notFound, type ObjectKey } from '@binnacle/apimachinery'
import type { Store, StoredObject } from '@binnacle/store'
import type { ListAnswer, SelectRequest } from './api-server.ts'
import { selected } from './read-path.ts'
import { selectionOf } from './selection.ts'
import { asStatusError } from './store-translation.ts'
import { transientObject } from './transient-object.ts'

/** Reads of kinds that are not stored but told from others (`ResourceDefinition.view`), such as metrics.k8s.io. They know no paging and no revisions. */
export class Views {
  readonly #store: Store
  readonly #nowMs: () => number

  constructor(store: Store, nowMs: () => number) {
    this.#store = store
    this.#nowMs = nowMs
  }

  /** One object, of the newest state. @throws StatusError NotFound */
  async get(definition: ResourceDefinition, key: ObjectKey): Promise<StoredObject> {
    await this.#linearize()
    const object = this.getNow(definition, key)
    if (object === undefined) throw notFound(definition, key.name)
    return object
  }

  /** Those that the selectors choose, of the newest state. @throws StatusError BadRequest for a selector that the kind does not offer */
  async list(definition: ResourceDefinition, select: SelectRequest): Promise<ListAnswer> {
    await this.#linearize()
    return { revision: this.#store.cachedRevision, continue: '', objects: this.listNow(definition, select) }
  }

  /** One object, of the cache's state. */
  getNow(definition: ResourceDefinition, key: ObjectKey): StoredObject | undefined {
    const { view } = definition as { view: View }
    const subject = this.#store.get({ resource: view.of().storageName, ...key })
    return subject === undefined ? undefined : this.#tell(definition, view, subject, this.#nowMs())
  }

  /** Those that the selectors choose, of the cache's state. */
  listNow(definition: ResourceDefinition, select: SelectRequest): readonly StoredObject[] {
    const { view } = definition as { view: View }
    const selection = selectionOf(definition, select)
    const scope = { resource: view.of().storageName, namespace: select.namespace || undefined }
    // Where nothing was ever recorded no subject has to be looked at.
    if (this.#store.count({ resource: view.records().storageName }) === 0) return []
    const nowMs = this.#nowMs()
    return selected(this.#store, scope, selection).flatMap(
      (subject) => this.#tell(definition, view, subject, nowMs) ?? [],
    )
  }

  #tell(definition: ResourceDefinition, view: View, subject: StoredObject, nowMs: number): StoredObject | undefined {
    const parsed = subject.parse() as KubernetesObject
    const name = view.recordOf(parsed)
    if (name === undefined || name === '') return undefined
    const record = this.#store.get({ resource: view.records().storageName, namespace: '', name })
    const object = record === undefined ? undefined : view.tell(parsed, record.parse(), nowMs)
    if (object === undefined) return undefined
    const key = { ...subject.key, resource: definition.storageName }
    return transientObject({ key, kind: 'create', uid: '', expectedRevision: 0, data: JSON.stringify(object) }, 0)
  }

  async #linearize(): Promise<void> {
    await this.#store.linearize().catch((error: unknown) => {
      throw asStatusError(error, { group: '', plural: '', kind: '' }, '')
    })
  }
}
