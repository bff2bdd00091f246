import type { Change, ChangeListener, ChangeSubscription, Revision, Scope } from './store.ts'

/** Who wants to hear of which changes. Selecting is done once a batch and scope, however many listen. */
export class Subscriptions {
  readonly #everything = new Set<ChangeListener>()
  /** resource → namespace ('' for all) → listeners. */
  readonly #scoped = new Map<string, Map<string, Set<ChangeListener>>>()
  readonly #wantProgress = new Set<ChangeListener>()

  add(scope: Scope | 'everything', listener: ChangeListener): ChangeSubscription {
    const set = scope === 'everything' ? this.#everything : this.#setFor(scope)
    set.add(listener)
    if (listener.onProgress !== undefined) this.#wantProgress.add(listener)
    return {
      close: () => {
        set.delete(listener)
        this.#wantProgress.delete(listener)
      },
    }
  }

  /** Delivers the changes of a batch, then tells of the revision reached. */
  publish(changes: readonly Change[], revision: Revision): void {
    for (const listener of this.#everything) listener.onChanges(changes)
    for (const [resource, own] of byResource(changes)) {
      const namespaces = this.#scoped.get(resource)
      if (namespaces === undefined) continue
      for (const [namespace, listeners] of namespaces) {
        if (listeners.size === 0) continue
        const selected = namespace === '' ? own : own.filter((change) => change.object.key.namespace === namespace)
        if (selected.length > 0) for (const listener of listeners) listener.onChanges(selected)
      }
    }
    for (const listener of this.#wantProgress) listener.onProgress?.(revision)
  }

  #setFor({ resource, namespace }: Scope): Set<ChangeListener> {
    let namespaces = this.#scoped.get(resource)
    if (namespaces === undefined) this.#scoped.set(resource, (namespaces = new Map()))
    let set = namespaces.get(namespace ?? '')
    if (set === undefined) namespaces.set(namespace ?? '', (set = new Set()))
    return set
  }
}

function byResource(changes: readonly Change[]): Map<string, Change[]> {
  const groups = new Map<string, Change[]>()
  for (const change of changes) {
    const { resource } = change.object.key
    const group = groups.get(resource)
    if (group === undefined) groups.set(resource, [change])
    else group.push(change)
  }
  return groups
}
