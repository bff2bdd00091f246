import { isConflict, isNotFound, type KubernetesObject, type OwnerReference } from '@binnacle/apimachinery'
import { type BatchWrite, type Informer, WorkQueue } from '@binnacle/client'
import { apiVersionOf, type ResourceDefinition, type ResourceRegistry } from '@binnacle/resources'
import type { ReconcileContext, Runnable } from '../../controller.ts'
import { AbsentOwners } from './absent-owners.ts'
import { type GraphNode, OwnerGraph } from './graph.ts'

const orphanFinalizer = 'orphan'
const foregroundFinalizer = 'foregroundDeletion'
const concurrency = 16
const batchMax = 500

/** The owners of a dependent: those that live, those that are gone, and those that wait for their dependents to go first. */
interface Classified {
  readonly solid: OwnerReference[]
  readonly dangling: OwnerReference[]
  readonly waiting: OwnerReference[]
}

/**
 * Deletes what nobody owns any more (kube-controller-manager `garbagecollector`): dependents of absent owners in the background; with foreground
 * deletion the dependents first, then the owner; with orphaning the references instead of the dependents.
 *
 * The graph is kept from informers on every kind. An owner that it does not hold is looked up on the server before anything is deleted: the graph
 * may be behind, and an owner may be named wrongly.
 */
export class GarbageCollector implements Runnable {
  readonly name = 'garbage-collector'
  readonly reads: readonly ResourceDefinition<any>[]
  readonly #registry: ResourceRegistry
  readonly #graph = new OwnerGraph()
  readonly #absent = new AbsentOwners()
  readonly #queue = new WorkQueue(() => this.#pump())
  #context: ReconcileContext | undefined
  #active = 0
  #idle: () => void = () => undefined
  #running = false

  constructor(registry: ResourceRegistry) {
    this.#registry = registry
    const seen = new Set<string>()
    this.reads = registry.served.filter((definition) => {
      // Events are owned by nobody and own nothing.
      const wanted =
        definition.virtual !== true &&
        definition.verbs.includes('watch') &&
        definition.verbs.includes('delete') &&
        definition.storageName !== 'events'
      if (!wanted || seen.has(definition.storageName)) return false
      seen.add(definition.storageName)
      return true
    })
  }

  async start(context: ReconcileContext): Promise<void> {
    this.#context = context
    for (const definition of this.reads) this.addKind(definition)
    this.#running = true
    this.#pump()
  }

  addKind(definition: ResourceDefinition<any>): void {
    const informer: Informer<any> = (this.#context as ReconcileContext).informer(definition)
    informer.addHandler({
      onAdd: (object) => this.#changed(this.#graph.put(definition, object)),
      onUpdate: (object, old) => {
        if (concernsOwnership(object, old)) this.#changed(this.#graph.put(definition, object))
      },
      onDelete: (object) => this.#deleted(object.metadata.uid),
    })
  }

  removeKind(definition: ResourceDefinition<any>): void {
    for (const { uid } of this.#graph.ofKind(definition)) this.#deleted(uid)
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#queue.close()
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #changed(node: GraphNode): void {
    const isOwner =
      node.deleting && (node.finalizers.includes(orphanFinalizer) || node.finalizers.includes(foregroundFinalizer))
    if (isOwner || (node.owners.length > 0 && !node.deleting)) this.#queue.add(node.uid)
    // A dependent that changes may be what a foreground deletion waits for; an owner that begins one concerns its dependents.
    for (const owner of node.owners) if (isWaiting(this.#graph.get(owner.uid))) this.#queue.add(owner.uid)
    if (isWaiting(node)) for (const dependent of this.#graph.dependentsOf(node.uid)) this.#queue.add(dependent)
  }

  #deleted(uid: string): void {
    const node = this.#graph.get(uid)
    // First gone from the graph: work on the dependents may begin within `add`, and must not find their owner any more.
    this.#graph.remove(uid)
    for (const dependent of this.#graph.dependentsOf(uid)) this.#queue.add(dependent)
    for (const owner of node?.owners ?? []) if (isWaiting(this.#graph.get(owner.uid))) this.#queue.add(owner.uid)
  }

  #pump(): void {
    while (this.#running && this.#active < concurrency) {
      const uid = this.#queue.take()
      if (uid === undefined) return
      this.#active++
      void this.#work(uid)
    }
  }

  async #work(uid: string): Promise<void> {
    const context = this.#context as ReconcileContext
    try {
      const node = this.#graph.get(uid)
      if (node !== undefined) await this.#collect(node, context)
      this.#queue.forget(uid)
    } catch (error) {
      context.log('debug', 'collection failed', { uid, error: (error as Error).message })
      this.#queue.addRateLimited(uid)
    }
    this.#queue.done(uid)
    this.#active--
    if (this.#active === 0) this.#idle()
    this.#pump()
  }

  async #collect(node: GraphNode, context: ReconcileContext): Promise<void> {
    if (node.deleting && node.finalizers.includes(orphanFinalizer)) return await this.#orphanDependents(node, context)
    if (isWaiting(node)) return await this.#deleteDependentsFirst(node, context)
    if (node.deleting || node.owners.length === 0) return
    this.#reportForeignOwners(node, context)
    if (isInPlace(await this.#classify(node.owners, node, context))) return
    // Before anything is taken away, the server has the word: owners may have changed since the graph heard of them.
    const latest = await context.client.get(node.definition, keyIn(node)).catch(ignoreGone)
    if (latest === undefined || latest.metadata.uid !== node.uid) return
    if (latest.metadata.deletionTimestamp !== undefined) return
    const owners = latest.metadata.ownerReferences ?? []
    if (owners.length > 0) await this.#act(node, latest, await this.#classify(owners, node, context), context)
  }

  async #act(node: GraphNode, latest: KubernetesObject, owners: Classified, context: ReconcileContext): Promise<void> {
    const { solid, dangling, waiting } = owners
    if (solid.length > 0) {
      const unwanted = [...dangling, ...waiting]
      if (unwanted.length > 0) await this.#removeReferences(node, unwanted, context)
      return
    }
    // A dependent that has dependents of its own is deleted in the foreground, so that the owner's deletion waits for all of them.
    const dependents = [...this.#graph.dependentsOf(node.uid)].map((uid) => this.#graph.get(uid))
    const inForeground = waiting.length > 0 && dependents.length > 0
    // Owners in a circle would wait for each other: this one is no longer waited for.
    const judged = inForeground && dependents.some(isWaiting) ? await this.#unblock(node, latest, context) : latest
    const finalizers = judged.metadata.finalizers ?? []
    // Who has asked for orphaning or foreground before gets it.
    const asked = finalizers.includes(orphanFinalizer)
      ? 'Orphan'
      : finalizers.includes(foregroundFinalizer)
        ? 'Foreground'
        : 'Background'
    // As it was judged: when it has changed meanwhile this is a conflict, and it is judged again.
    await context.client
      .delete(node.definition, keyIn(node), {
        propagationPolicy: inForeground ? 'Foreground' : asked,
        preconditions: { uid: node.uid, resourceVersion: judged.metadata.resourceVersion ?? '' },
      })
      .catch(ignoreGone)
  }

  async #unblock(node: GraphNode, latest: KubernetesObject, context: ReconcileContext): Promise<KubernetesObject> {
    const ownerReferences = (latest.metadata.ownerReferences ?? []).map((owner) => ({
      ...owner,
      blockOwnerDeletion: false,
    }))
    return await context.client.update(node.definition, {
      ...latest,
      metadata: { ...latest.metadata, ownerReferences },
    })
  }

  async #classify(owners: readonly OwnerReference[], node: GraphNode, context: ReconcileContext): Promise<Classified> {
    const result: Classified = { solid: [], dangling: [], waiting: [] }
    for (const owner of owners) {
      const known = this.#graph.get(owner.uid)
      if (known !== undefined && isNamedRightly(owner, known, node.namespace))
        (isWaiting(known) ? result.waiting : result.solid).push(owner)
      else ((await this.#exists(node, owner, context)) ? result.solid : result.dangling).push(owner)
    }
    return result
  }

  // An owner in another namespace is none: owners are looked for where the dependent is.
  #reportForeignOwners(node: GraphNode, { events }: ReconcileContext): void {
    for (const owner of node.owners) {
      const known = this.#graph.get(owner.uid)
      if (known === undefined || known.namespace === '' || known.namespace === node.namespace) continue
      const { apiVersion, kind, name, uid } = owner
      const reference = `[${apiVersion}/${kind}, namespace: ${node.namespace}, name: ${name}, uid: ${uid}]`
      events.record(
        referenceOf(node),
        'Warning',
        'OwnerRefInvalidNamespace',
        `ownerRef ${reference} does not exist in namespace "${node.namespace}"`,
      )
    }
  }

  async #exists(node: GraphNode, owner: OwnerReference, context: ReconcileContext): Promise<boolean> {
    const [group, version] = groupAndVersion(owner.apiVersion)
    const definition = this.#registry.byKind(group, version, owner.kind)
    // A kind that this server does not know may be served again later: nothing is deleted for it.
    if (definition === undefined) return true
    // A namespaced owner of a cluster-scoped object cannot be found, which is not the same as being gone.
    if (definition.scope === 'Namespaced' && node.namespace === '') return true
    if (this.#absent.has(owner, node.namespace)) return false
    const namespace = definition.scope === 'Namespaced' ? node.namespace : ''
    const found = await context.client.get(definition, { namespace, name: owner.name }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
    if (found?.metadata.uid === owner.uid) return true
    this.#absent.add(owner, node.namespace)
    return false
  }

  async #deleteDependentsFirst(node: GraphNode, context: ReconcileContext): Promise<void> {
    let blocking = 0
    for (const uid of this.#graph.dependentsOf(node.uid)) {
      const dependent = this.#graph.get(uid)
      if (dependent === undefined) continue
      if (dependent.owners.some((owner) => owner.uid === node.uid && owner.blockOwnerDeletion === true)) blocking++
      if (!dependent.deleting) this.#queue.add(uid)
    }
    if (blocking === 0) await this.#removeFinalizer(node, foregroundFinalizer, context)
  }

  async #orphanDependents(node: GraphNode, context: ReconcileContext): Promise<void> {
    const writes: BatchWrite[] = []
    for (const uid of this.#graph.dependentsOf(node.uid)) {
      const dependent = this.#graph.get(uid)
      const owners = dependent?.owners.filter((owner) => owner.uid === node.uid) ?? []
      const release = dependent === undefined ? undefined : await releaseOf(dependent, owners, context)
      if (release !== undefined) writes.push({ ...release, verb: 'patch' })
    }
    for (let from = 0; from < writes.length; from += batchMax) {
      const results = await context.client.writeAll(writes.slice(from, from + batchMax), { atomic: false })
      for (const result of results) if ('error' in result) ignoreGone(result.error)
    }
    await this.#removeFinalizer(node, orphanFinalizer, context)
  }

  async #removeReferences(
    node: GraphNode,
    owners: readonly OwnerReference[],
    context: ReconcileContext,
  ): Promise<void> {
    const release = await releaseOf(node, owners, context)
    if (release !== undefined)
      await context.client.patch(release.resource, release.key, release.patch).catch(ignoreGone)
  }

  async #removeFinalizer(node: GraphNode, finalizer: string, context: ReconcileContext): Promise<void> {
    const object = await context.client.get(node.definition, keyIn(node)).catch(ignoreGone)
    if (object === undefined || object.metadata.uid !== node.uid) return
    const finalizers = (object.metadata.finalizers ?? []).filter((existing) => existing !== finalizer)
    if (finalizers.length === (object.metadata.finalizers ?? []).length) return
    await context.client
      .update(node.definition, { ...object, metadata: { ...object.metadata, finalizers } })
      .catch(ignoreGone)
  }
}

type Release = Pick<Extract<BatchWrite, { verb: 'patch' }>, 'resource' | 'key' | 'patch'>

// Takes owners from a dependent; undefined when it is gone.
async function releaseOf(
  node: GraphNode,
  owners: readonly OwnerReference[],
  { client }: ReconcileContext,
): Promise<Release | undefined> {
  const target = { resource: node.definition, key: keyIn(node) }
  if (node.definition.custom === undefined) {
    const ownerReferences = owners.map(({ uid }) => ({ $patch: 'delete', uid }))
    return { ...target, patch: { type: 'strategic', body: { metadata: { uid: node.uid, ownerReferences } } } }
  }
  // Custom kinds take no strategic patches: the whole list is given, for the very state that it was read in.
  const latest = await client.get(node.definition, keyIn(node)).catch(ignoreGone)
  if (latest === undefined || latest.metadata.uid !== node.uid) return undefined
  const { resourceVersion, ownerReferences = [] } = latest.metadata
  const kept = ownerReferences.filter(({ uid }) => owners.every((owner) => owner.uid !== uid))
  const metadata = { uid: node.uid, resourceVersion, ownerReferences: kept.length === 0 ? null : kept }
  return { ...target, patch: { type: 'merge', body: { metadata } } }
}

function groupAndVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)]
}

// A uid alone does not make an owner: group, kind, name and place have to be its own.
function isNamedRightly(owner: OwnerReference, known: GraphNode, namespace: string): boolean {
  const { definition } = known
  return (
    groupAndVersion(owner.apiVersion)[0] === definition.group &&
    owner.kind === definition.kind &&
    owner.name === known.name &&
    (known.namespace === '' || known.namespace === namespace)
  )
}

function isInPlace({ solid, dangling, waiting }: Classified): boolean {
  return solid.length > 0 && dangling.length === 0 && waiting.length === 0
}

// The object itself is not kept; events need no more than this.
function referenceOf({ definition, namespace, name, uid }: GraphNode): KubernetesObject {
  const metadata = { name, uid, ...(namespace === '' ? {} : { namespace }) }
  return { apiVersion: apiVersionOf(definition), kind: definition.kind, metadata }
}

const keyIn = (node: GraphNode) => ({ namespace: node.namespace, name: node.name })

function isWaiting(node: GraphNode | undefined): boolean {
  return node !== undefined && node.deleting && node.finalizers.includes(foregroundFinalizer)
}

function concernsOwnership(object: { metadata: object }, old: { metadata: object }): boolean {
  const [now, before] = [object.metadata as Record<string, unknown>, old.metadata as Record<string, unknown>]
  return ['ownerReferences', 'finalizers', 'deletionTimestamp'].some(
    (field) => JSON.stringify(now[field]) !== JSON.stringify(before[field]),
  )
}

// Gone, or another object of that name by now: either way there is nothing left to do for this one.
function ignoreGone(error: unknown): undefined {
  if (isNotFound(error) || (isConflict(error) && /Precondition failed: UID/.test((error as Error).message)))
    return undefined
  throw error
}
