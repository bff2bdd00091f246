import { CustomKinds, customResourceDefinitions, type ExtensibleRegistry } from '@binnacle/resources'
import type { ChangeSubscription, Store } from '@binnacle/store'

/**
 * Serves custom kinds as their definitions come, change and go: those that the store has now, and every later change by its feed, before anybody else
 * hears of it.
 */
export function followDefinitions(store: Store, registry: ExtensibleRegistry): ChangeSubscription {
  const scope = { resource: customResourceDefinitions.storageName }
  const kinds = new CustomKinds(registry)
  const refresh = (): void => kinds.replace(store.list(scope).objects.map((object) => object.parse()))
  refresh()
  return store.attach(scope, { onChanges: refresh })
}
