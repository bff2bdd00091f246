import { jsonEqual } from '../deep-equal.ts'
import type { KubernetesObject, ManagedFieldsEntry } from '../object.ts'
import type { ObjectSchema, SchemaLookup } from '../schema.ts'
import { badRequest, StatusError } from '../status-error.ts'
import { type FieldSet, differenceOf, intersectionOf, pathsOf, unionOf, withoutPath } from './field-set.ts'
import { decodeManagers, encodeManagers, identityOf, type Manager, type Managers } from './managers.ts'
import { mergeConfiguration, pruneAbandoned } from './merge-applied.ts'
import { compareFields, type FieldChanges, fieldsOfNew, fieldsSetBy, isParts } from './typed-fields.ts'

/**
 * Who owns which fields (`metadata.managedFields`) and server-side apply, as kube-apiserver's field manager has them. Sets of other versions of a kind
 * are taken as they are: the kinds that are served in several have the same fields.
 */

/** A write that takes or gives up fields. */
export interface ManagedWrite {
  readonly schema: ObjectSchema
  readonly schemas: SchemaLookup
  readonly apiVersion: string
  /** The field manager. */
  readonly manager: string
  /** '' for the object itself. */
  readonly subresource: string
  /** Parts that a write through this endpoint does not change: they are never owned by it. */
  readonly unmanaged: readonly string[]
  readonly now: string
}

const update = 'Update'
const beforeFirstApply = 'before-first-apply'
const kubectl = 'kubectl'
const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration'
const serversMetadata = [
  ...['name', 'namespace', 'uid', 'creationTimestamp', 'generation', 'resourceVersion', 'selfLink', 'clusterName'],
  'managedFields',
]
const nobodys = [['f:apiVersion'], ['f:kind'], ...serversMetadata.map((field) => ['f:metadata', `f:${field}`])]

type Parts = Record<string, unknown>
const partsOf = (object: KubernetesObject): Parts => object as unknown as Parts

function manageable(set: FieldSet | undefined, unmanaged: readonly string[]): FieldSet | undefined {
  let result = set
  for (const path of nobodys) result = withoutPath(result, path)
  for (const part of unmanaged) result = withoutPath(result, [`f:${part}`])
  // Metadata as such belongs to nobody.
  const metadata = result?.['f:metadata']
  if (result === undefined || metadata === undefined || !('.' in metadata)) return result
  const { '.': _self, ...rest } = metadata
  return { ...result, 'f:metadata': rest }
}

/**
 * The entries after a create, update or patch. `before` is undefined for a create. `given` are the entries that the client sent: they replace those
 * that the object has, when they are well formed; one empty entry removes all.
 */
export function entriesAfterUpdate(
  write: ManagedWrite,
  before: KubernetesObject | undefined,
  after: KubernetesObject,
  given: readonly ManagedFieldsEntry[] | undefined,
): ManagedFieldsEntry[] | undefined {
  const live = before?.metadata.managedFields
  if (given?.length === 1 && Object.keys(given[0] as object).length === 0) return undefined
  const sent = given === undefined || given.length === 0 || jsonEqual(given, live) ? undefined : decodeManagers(given)
  const isSent = sent !== undefined && sent.size > 0
  if (before === undefined) return entriesOfNew(write, after)
  // What nobody has ever owned is not tracked before it is applied for the first time.
  if (!isSent && live === undefined) return undefined
  const changes = compareFields(partsOf(before), partsOf(after), write.schema, write.schemas)
  const taken = manageable(unionOf(nonEmpty(changes.added), nonEmpty(changes.modified)), write.unmanaged)
  const removed = manageable(nonEmpty(changes.removed), write.unmanaged)
  if (taken === undefined && removed === undefined) return isSent ? encodeManagers(sent) : live
  const managers = isSent ? sent : (decodeManagers(live) ?? new Map<string, Manager>())
  const identity = identityOf({ ...write, name: write.manager, operation: update })
  const next = afterChanges(managers, changes, identity)
  const own = unionOf(differenceOf(managers.get(identity)?.fields, removed), taken)
  if (own === undefined) next.delete(identity)
  else {
    const time = taken === undefined ? managers.get(identity)?.time : write.now
    next.set(identity, { ...managerOf(write, update), time, fields: own })
  }
  return encodeManagers(next)
}

// Every create passes here: what nobody owns is left out beforehand, instead of being taken out of the set.
function entriesOfNew(write: ManagedWrite, object: KubernetesObject): ManagedFieldsEntry[] | undefined {
  const { apiVersion: _apiVersion, kind: _kind, ...owned } = partsOf(object)
  const metadata: Parts = { ...(owned['metadata'] as Parts) }
  for (const field of serversMetadata) delete metadata[field]
  for (const part of write.unmanaged) delete owned[part]
  const fields = fieldsOfNew({ ...owned, metadata }, write.schema, write.schemas)
  return fields === undefined ? undefined : encodeManagers(new Map([['', { ...managerOf(write, update), fields }]]))
}

function managerOf(write: ManagedWrite, operation: 'Apply' | 'Update'): Omit<Manager, 'fields'> {
  return {
    name: write.manager,
    operation,
    apiVersion: write.apiVersion,
    subresource: write.subresource,
    time: write.now,
  }
}

const nonEmpty = (set: FieldSet): FieldSet | undefined => (Object.keys(set).length === 0 ? undefined : set)

// Everybody but the writer loses what was changed or removed.
function afterChanges(managers: Managers, changes: FieldChanges, writer: string): Map<string, Manager> {
  const lost = unionOf(unionOf(nonEmpty(changes.added), nonEmpty(changes.modified)), nonEmpty(changes.removed))
  const next = new Map<string, Manager>()
  for (const [identity, manager] of managers) {
    const fields = identity === writer ? manager.fields : differenceOf(manager.fields, lost)
    if (fields !== undefined) next.set(identity, fields === manager.fields ? manager : { ...manager, fields })
  }
  return next
}

/** The outcome of an apply: the object as it is wanted, with its managed fields. */
export interface Applied {
  readonly object: KubernetesObject
  readonly managedFields: ManagedFieldsEntry[] | undefined
}

/**
 * Applies a configuration. `live` is undefined when there is no object yet. Neither is changed.
 * @throws StatusError Conflict when others own what it would change, unless `force`
 */
export function applyConfiguration(
  write: ManagedWrite,
  live: KubernetesObject | undefined,
  config: KubernetesObject,
  force: boolean,
): Applied {
  const set = manageable(fieldsSetBy(partsOf(config), write.schema, write.schemas), write.unmanaged)
  const identity = identityOf({ ...write, name: write.manager, operation: 'Apply' })
  const own = { ...managerOf(write, 'Apply'), fields: set ?? {} }
  if (live === undefined) return { object: config, managedFields: encodeManagers(new Map([[identity, own]])) }
  const before = managersOf(write, live)
  const managers = new Map(before).set(identity, own)
  const merged = mergeConfiguration(partsOf(live), partsOf(config), write.schema, write.schemas)
  const last = before.get(identity)?.fields
  const owned = [...managers.values()].reduce<FieldSet | undefined>(
    (all, { fields }) => unionOf(all, fields),
    undefined,
  )
  const wanted = last === undefined ? merged : pruneAbandoned(merged, { last, owned }, write.schema, write.schemas)
  const changes = compareFields(partsOf(live), wanted, write.schema, write.schemas)
  if (!force) refuseConflicts(write, { live, managers, identity, changes })
  const next = afterChanges(managers, changes, identity)
  const isSame = [changes.added, changes.modified, changes.removed].every((part) => nonEmpty(part) === undefined)
  const time = isSame ? (before.get(identity)?.time ?? write.now) : write.now
  if (set === undefined) next.delete(identity)
  else next.set(identity, { ...own, time })
  const object = wanted as unknown as KubernetesObject
  return { object: withLastApplied(write, live, config, object), managedFields: encodeManagers(next) }
}

// An object that was never managed: all of it is somebody's who came before.
function managersOf(write: ManagedWrite, live: KubernetesObject): Managers {
  const decoded = decodeManagers(live.metadata.managedFields)
  if (decoded !== undefined && decoded.size > 0) return decoded
  const fields = manageable(fieldsSetBy(partsOf(live), write.schema, write.schemas), [])
  if (fields === undefined) return new Map()
  const manager: Manager = {
    name: beforeFirstApply,
    operation: update,
    apiVersion: write.apiVersion,
    subresource: '',
    time: write.now,
    fields,
  }
  return new Map([[identityOf(manager), manager]])
}

// kubectl keeps its annotation current, for those who go back to applying on the client's side.
function withLastApplied(
  write: ManagedWrite,
  live: KubernetesObject,
  config: KubernetesObject,
  object: KubernetesObject,
): KubernetesObject {
  if (write.manager !== kubectl || live.metadata.annotations?.[lastAppliedAnnotation] === undefined) return object
  const annotations = { ...object.metadata.annotations, [lastAppliedAnnotation]: `${JSON.stringify(config)}\n` }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

interface Contest {
  readonly live: KubernetesObject
  readonly managers: Managers
  readonly identity: string
  readonly changes: FieldChanges
}

interface FieldConflict {
  readonly manager: Manager
  readonly paths: readonly string[]
}

function refuseConflicts(write: ManagedWrite, { live, managers, identity, changes }: Contest): void {
  const changed = unionOf(nonEmpty(changes.added), nonEmpty(changes.modified))
  const allowed = write.manager === kubectl ? fieldsAsLastApplied(write, live) : undefined
  const conflicts = [...managers]
    .filter(([other]) => other !== identity)
    .map(([, manager]): FieldConflict => {
      const common = differenceOf(intersectionOf(manager.fields, changed), allowed)
      return { manager, paths: pathsOf(common) }
    })
    .filter(({ paths }) => paths.length > 0)
    .sort((a, b) => (a.manager.name < b.manager.name ? -1 : 1))
  if (conflicts.length > 0) throw applyConflict(conflicts)
}

/** Fields that are as `kubectl apply` once left them: kubectl may take them over from its own former self. */
function fieldsAsLastApplied(write: ManagedWrite, live: KubernetesObject): FieldSet | undefined {
  const text = live.metadata.annotations?.[lastAppliedAnnotation]
  if (text === undefined) return undefined
  try {
    const last: unknown = JSON.parse(text)
    if (!isParts(last)) return undefined
    const { added, modified, removed } = compareFields(last, partsOf(live), write.schema, write.schemas)
    const differing = unionOf(unionOf(nonEmpty(added), nonEmpty(modified)), nonEmpty(removed))
    return differenceOf(fieldsSetBy(last, write.schema, write.schemas), differing)
  } catch {
    return undefined
  }
}

function applyConflict(conflicts: readonly FieldConflict[]): StatusError {
  const causes = conflicts.flatMap(({ manager, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${nameOf(manager)}`, field })),
  )
  const [first] = causes
  const message =
    causes.length === 1 && first !== undefined
      ? `Apply failed with 1 conflict: ${first.message}: ${first.field}`
      : `Apply failed with ${causes.length} conflicts: ${conflicts
          .map(
            ({ manager, paths }) =>
              `conflicts with ${nameOf(manager)}:\n${paths.map((path) => `- ${path}`).join('\n')}`,
          )
          .join('\n')}`
  return new StatusError('Conflict', message, { causes })
}

function nameOf({ name, subresource, operation, apiVersion }: Manager): string {
  const where = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`
  return `${JSON.stringify(name)}${where}${operation === 'Update' ? ` using ${apiVersion}` : ''}`
}

/** Refuses configurations that cannot be applied. @throws StatusError BadRequest */
export function checkConfiguration(config: KubernetesObject, unknownFields: readonly string[], what: string): void {
  if (config.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil')
  const [unknown] = unknownFields
  if (unknown === undefined) return
  const problems = unknownFields.map((field) => `.${field}: field not declared in schema`)
  const list = problems.length === 1 ? problems[0] : `\n  ${problems.join('\n  ')}`
  throw badRequest(`failed to create typed patch object (${what}): ${problems.length === 1 ? list : `errors:${list}`}`)
}
