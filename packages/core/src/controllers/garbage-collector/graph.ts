import type { KubernetesObject, OwnerReference } from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'

/** An object as the collector knows it. */
export interface GraphNode {
  readonly uid: string
  readonly definition: ResourceDefinition
  readonly namespace: string
  readonly name: string
  readonly owners: readonly OwnerReference[]
  readonly deleting: boolean
  readonly finalizers: readonly string[]
}

const noDependents: ReadonlySet<string> = new Set()

/** Who owns whom, of all objects: owner references only, no objects. */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>()
  readonly #dependents = new Map<string, Set<string>>()

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid)
  }

  /** uids of the objects that name this one as an owner. */
  dependentsOf(uid: string): ReadonlySet<string> {
    return this.#dependents.get(uid) ?? noDependents
  }

  /** Those of one kind. */
  ofKind(definition: ResourceDefinition): readonly GraphNode[] {
    return [...this.#nodes.values()].filter((node) => node.definition === definition)
  }

  put(definition: ResourceDefinition, object: KubernetesObject): GraphNode {
    const { uid = '', namespace = '', name, ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata
    const node = {
      uid,
      definition,
      namespace,
      name,
      owners: ownerReferences,
      deleting: deletionTimestamp !== undefined,
      finalizers,
    }
    const old = this.#nodes.get(uid)
    if (old !== undefined) this.#unlink(old)
    this.#nodes.set(uid, node)
    for (const owner of node.owners) {
      let dependents = this.#dependents.get(owner.uid)
      if (dependents === undefined) this.#dependents.set(owner.uid, (dependents = new Set()))
      dependents.add(uid)
    }
    return node
  }

  remove(uid: string): void {
    const node = this.#nodes.get(uid)
    if (node !== undefined) this.#unlink(node)
    this.#nodes.delete(uid)
  }

  #unlink(node: GraphNode): void {
    for (const owner of node.owners) {
      const dependents = this.#dependents.get(owner.uid)
      dependents?.delete(node.uid)
      if (dependents?.size === 0) this.#dependents.delete(owner.uid)
    }
  }
}
