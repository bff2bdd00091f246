import {
  Selector,
  selectorFromLabelSelector,
  selectorFromMap,
  type KubernetesObject,
  type LabelSelector,
} from '@binnacle/apimachinery'
import type { PodShape } from './pod-shape.ts'

/** Kinds whose selectors say which pods belong together. */
export type GroupingKind = 'Service' | 'ReplicationController' | 'ReplicaSet' | 'StatefulSet'

/** An object of a {@link GroupingKind}: Service and ReplicationController select by a plain map, the others by a LabelSelector. */
export interface GroupingObject extends KubernetesObject {
  readonly spec?: { readonly selector?: Readonly<Record<string, unknown>> }
}

const apiVersionByKind: Readonly<Record<string, string>> = {
  ReplicationController: 'v1',
  ReplicaSet: 'apps/v1',
  StatefulSet: 'apps/v1',
}

interface NamespaceSelectors {
  readonly services: Map<string, Readonly<Record<string, string>>>
  readonly controllers: Map<string, LabelSelector>
  /** Rises with every change, so that what was derived from it is derived again. */
  epoch: number
}

/**
 * Which pods are spread together by default: those of the same Services and of the same controller (kube-scheduler
 * `helper.DefaultSelector`).
 */
export class DefaultSelectors {
  readonly #byNamespace = new Map<string, NamespaceSelectors>()
  readonly #memo = new WeakMap<PodShape, { readonly epoch: number; readonly selector: Selector | undefined }>()

  /** Takes over a Service's or a controller's present selector. */
  set(kind: GroupingKind, object: GroupingObject): void {
    const own = this.#namespace(object.metadata.namespace ?? '')
    const { name } = object.metadata
    const selector = object.spec?.selector
    const before = kind === 'Service' ? own.services.get(name) : own.controllers.get(`${kind}/${name}`)
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(selector)) return
    own.epoch++
    if (kind === 'Service') {
      // A Service without selector belongs to no pod.
      if (selector === undefined || Object.keys(selector).length === 0) own.services.delete(name)
      else own.services.set(name, selector as Record<string, string>)
    } else if (selector === undefined) own.controllers.delete(`${kind}/${name}`)
    else
      own.controllers.set(
        `${kind}/${name}`,
        kind === 'ReplicationController' ? { matchLabels: selector as Record<string, string> } : selector,
      )
  }

  /** Forgets a Service or controller. */
  delete(kind: GroupingKind, object: GroupingObject): void {
    const namespace = object.metadata.namespace ?? ''
    const own = this.#byNamespace.get(namespace)
    if (own === undefined) return
    const { name } = object.metadata
    const existed = kind === 'Service' ? own.services.delete(name) : own.controllers.delete(`${kind}/${name}`)
    if (existed) own.epoch++
  }

  /** What the pods spread together with this one match; undefined when it belongs to nothing. */
  selectorFor(shape: PodShape): Selector | undefined {
    const own = this.#byNamespace.get(shape.namespace)
    if (own === undefined) return undefined
    const known = this.#memo.get(shape)
    if (known !== undefined && known.epoch === own.epoch) return known.selector
    const selector = derive(shape, own)
    this.#memo.set(shape, { epoch: own.epoch, selector })
    return selector
  }

  #namespace(namespace: string): NamespaceSelectors {
    let own = this.#byNamespace.get(namespace)
    if (own === undefined) {
      own = { services: new Map(), controllers: new Map(), epoch: 0 }
      this.#byNamespace.set(namespace, own)
    }
    return own
  }
}

function derive(shape: PodShape, own: NamespaceSelectors): Selector | undefined {
  const merged: Record<string, string> = {}
  for (const selector of own.services.values()) {
    if (selectorFromMap(selector).matches(shape.labels)) Object.assign(merged, selector)
  }
  const { controller } = shape
  const ofController =
    controller !== undefined && apiVersionByKind[controller.kind] === controller.apiVersion
      ? own.controllers.get(`${controller.kind}/${controller.name}`)
      : undefined
  const requirements = [
    ...selectorFromLabelSelector({ matchLabels: merged }).requirements,
    ...selectorFromLabelSelector(ofController ?? {}).requirements,
  ]
  return requirements.length === 0 ? undefined : new Selector(requirements)
}
