import { setTimeout as sleep } from 'node:timers/promises'
import type { KubernetesObject } from '@binnacle/apimachinery'
import { type Client, Informer } from '@binnacle/client'
import type { ResourceDefinition } from '@binnacle/resources'

interface Entry {
  readonly informer: Informer<KubernetesObject>
  readonly podUIDs: Set<string>
}

const waitMsMax = 10_000

/**
 * Objects that pods of this node refer to, each watched by its name while some pod does (kubelet's watch-based managers): the node never holds another's
 * secrets. `onChange` is told which pod refers to what changed.
 */
export class ReferencedObjects {
  readonly #client: Client
  readonly #onChange: (podUID: string) => void
  readonly #entries = new Map<string, Entry>()
  readonly #stopping = new AbortController()

  constructor(client: Client, onChange: (podUID: string) => void) {
    this.#client = client
    this.#onChange = onChange
  }

  /** The object for a pod; undefined: there is none of that name. @throws Error when the server does not answer in time, or this is stopped. */
  async get<T extends KubernetesObject>(
    resource: ResourceDefinition<T>,
    namespace: string,
    name: string,
    podUID: string,
  ): Promise<T | undefined> {
    const text = `${resource.plural} ${namespace}/${name}`
    let entry = this.#entries.get(text)
    if (entry === undefined) {
      const options = { fieldSelector: `metadata.name=${name}`, ...(namespace === '' ? {} : { namespace }) }
      const informer = new Informer<any>(this.#client, resource, options)
      entry = { informer, podUIDs: new Set() }
      this.#entries.set(text, entry)
      this.#follow(informer, entry.podUIDs)
    }
    entry.podUIDs.add(podUID)
    if (!entry.informer.hasSynced) {
      const late = new AbortController()
      const signal = AbortSignal.any([late.signal, this.#stopping.signal])
      const timeout = sleep(waitMsMax, undefined, { signal }).catch(() => undefined)
      await Promise.race([entry.informer.synced, timeout])
      late.abort()
      if (!entry.informer.hasSynced) throw new Error(`cannot read ${text} yet`)
    }
    return entry.informer.get({ namespace, name }) as T | undefined
  }

  /** The pod refers to nothing any more. */
  release(podUID: string): void {
    for (const [text, { informer, podUIDs }] of this.#entries) {
      podUIDs.delete(podUID)
      if (podUIDs.size > 0) continue
      informer.stop()
      this.#entries.delete(text)
    }
  }

  stop(): void {
    this.#stopping.abort()
    for (const { informer } of this.#entries.values()) informer.stop()
    this.#entries.clear()
  }

  #follow(informer: Informer<any>, podUIDs: ReadonlySet<string>): void {
    const tell = (): void => {
      if (informer.hasSynced) for (const uid of podUIDs) this.#onChange(uid)
    }
    informer.addHandler({ onAdd: tell, onUpdate: tell, onDelete: tell })
    informer.start()
  }
}
