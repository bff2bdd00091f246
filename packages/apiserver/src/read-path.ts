import {
  badRequest,
  expired,
  type FieldError,
  forbiddenField,
  invalid,
  notFound,
  type ObjectKey,
  StatusError,
} from '@binnacle/apimachinery'
import type { ResourceDefinition } from '@binnacle/resources'
import {
  type ChangeListener,
  Compacted,
  FutureRevision,
  type Revision,
  type Scope,
  type Store,
  type StoredObject,
} from '@binnacle/store'
import type {
  ListAnswer,
  ListRequest,
  SelectedEvent,
  SelectedEventListener,
  SelectedWatch,
  SelectRequest,
  WatchRequest,
} from './api-server.ts'
import { type ContinueToken, decodeContinue, encodeContinue } from './continue-token.ts'
import { type Selection, selectionOf } from './selection.ts'
import { asStatusError, tooLarge } from './store-translation.ts'

/** How long a read waits for a revision that has not been reached, as kube-apiserver's watch cache does. */
const futureRevisionMsMax = 3000

/** Parses a resourceVersion parameter; undefined for an unset one. @throws StatusError Invalid */
export function parseRevision(text: string | undefined): Revision | undefined {
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,15}$/.test(text))
    throw new StatusError(
      'BadRequest',
      `invalid resource version "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
    )
  return Number(text)
}

/** One object. Unset: linearizable; otherwise at least as new as asked for. */
export async function readObject(
  store: Store,
  definition: ResourceDefinition,
  key: ObjectKey,
  resourceVersion: string | undefined,
): Promise<StoredObject> {
  const wanted = parseRevision(resourceVersion)
  await reach(store, wanted)
  const object = store.get({ resource: definition.storageName, ...key })
  if (object === undefined) throw notFound(definition, key.name)
  return object
}

// The state that a read needs: the present one, any, or one not older than a revision.
async function reach(store: Store, wanted: Revision | undefined): Promise<void> {
  try {
    if (wanted === undefined) await store.linearize()
    else if (wanted > store.cachedRevision) await store.waitFor(wanted, futureRevisionMsMax)
  } catch (error) {
    if (error instanceof FutureRevision) throw tooLarge(`${wanted}, current: ${store.cachedRevision}`)
    throw asStatusError(error, { group: '', plural: '', kind: '' }, '')
  }
}

// With the values in upstream's order, which is not the alphabet's.
function unsupportedMatch(match: string): FieldError {
  const message = `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`
  return { type: 'FieldValueNotSupported', field: 'resourceVersionMatch', message }
}

function checkListOptions(definition: ResourceDefinition, request: ListRequest): void {
  const { resourceVersion = '', resourceVersionMatch: match } = request
  const errors = []
  if (match !== undefined) {
    if (resourceVersion === '')
      errors.push(
        forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
      )
    if (request.continue)
      errors.push(forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'))
    if (match !== 'Exact' && match !== 'NotOlderThan') errors.push(unsupportedMatch(match))
    if (match === 'Exact' && resourceVersion === '0')
      errors.push(
        forbiddenField('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
      )
  }
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', plural: 'listoptions', kind: 'ListOptions' }, '', errors)
  if (request.continue && resourceVersion !== '' && resourceVersion !== '0')
    throw badRequest('specifying resource version is not allowed when using continue')
  if (definition.virtual === true)
    throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
}

/** A list, by the rules of the API concepts page for resourceVersion, resourceVersionMatch, limit and continue. */
export async function readList(
  store: Store,
  definition: ResourceDefinition,
  request: ListRequest & { wantSegments?: boolean },
): Promise<ListAnswer> {
  checkListOptions(definition, request)
  const selection = selectionOf(definition, request)
  const scope: Scope = { resource: definition.storageName, namespace: request.namespace || undefined }
  const token = request.continue ? decodeContinue(request.continue) : undefined
  const limit = request.limit !== undefined && request.limit > 0 ? request.limit : undefined
  if (token !== undefined && token.revision >= 0)
    return await readPage(store, definition, { scope, selection, limit, token })
  const wanted = parseRevision(request.resourceVersion)
  await reach(store, token === undefined ? wanted : undefined)
  if (
    request.resourceVersionMatch === 'Exact' ||
    (wanted !== undefined && wanted > 0 && limit !== undefined && request.resourceVersionMatch === undefined)
  ) {
    return await readPage(store, definition, {
      scope,
      selection,
      limit,
      token: { revision: wanted as Revision, after: { namespace: '', name: '' } },
    })
  }
  // resourceVersion=0 is answered whole, as from kube-apiserver's watch cache: informers ask for it with a limit.
  const paged = token !== undefined || (limit !== undefined && request.resourceVersion !== '0')
  if (paged)
    return await readPage(store, definition, {
      scope,
      selection,
      limit,
      token: { revision: store.cachedRevision, after: token?.after ?? { namespace: '', name: '' } },
    })
  return readWhole(store, scope, selection, request.wantSegments === true)
}

function readWhole(store: Store, scope: Scope, selection: Selection, wantSegments: boolean): ListAnswer {
  if (wantSegments && selection.all) {
    const { revision, segments } = store.segments(scope)
    return { revision, continue: '', objects: [], segments }
  }
  return { revision: store.cachedRevision, continue: '', objects: selected(store, scope, selection) }
}

/** The objects of a scope that a selection chooses now, by index where there is one. */
export function selected(store: Store, scope: Scope, selection: Selection): readonly StoredObject[] {
  const inScope = (object: StoredObject): boolean =>
    scope.namespace === undefined || object.key.namespace === scope.namespace
  const name = selection.fields.exact('metadata.name')
  const namespace = scope.namespace ?? selection.fields.exact('metadata.namespace')
  if (name !== undefined) {
    // Without a namespace it may be the name of something that has none.
    const object = store.get({ resource: scope.resource, namespace: namespace ?? '', name })
    if (object !== undefined) return selection.matches(object) ? [object] : []
    if (namespace !== undefined) return []
  }
  for (const field of ['spec.nodeName', 'involvedObject.uid']) {
    const value = selection.fields.exact(field)
    if (value === undefined || value === '') continue
    const found = store
      .byField(scope.resource, field, value)
      .filter((object) => inScope(object) && selection.matches(object))
    return found.sort((a, b) =>
      a.key.namespace === b.key.namespace
        ? a.key.name < b.key.name
          ? -1
          : 1
        : a.key.namespace < b.key.namespace
          ? -1
          : 1,
    )
  }
  const { objects } = store.list({ ...scope, namespace: namespace || undefined })
  return selection.all ? objects : objects.filter((object) => selection.matches(object))
}

interface PageQuery {
  readonly scope: Scope
  readonly selection: Selection
  readonly limit: number | undefined
  readonly token: ContinueToken
}

async function readPage(
  store: Store,
  definition: ResourceDefinition,
  { scope, selection, limit, token }: PageQuery,
): Promise<ListAnswer> {
  try {
    const { after, revision } = token
    const page = await store.pageAt(scope, {
      revision,
      after: after.name === '' ? undefined : after,
      limit: limit ?? Number.MAX_SAFE_INTEGER,
      ...(selection.all ? {} : { matches: selection.matches }),
    })
    const last = page.objects.at(-1)
    if (!page.more || last === undefined) return { revision, continue: '', objects: page.objects }
    // The rest cannot be counted for free when something selects; kube-apiserver leaves it out then too.
    return {
      revision,
      continue: encodeContinue({ revision, after: last.key }),
      objects: page.objects,
      ...(selection.all ? { remainingItemCount: page.remaining } : {}),
    }
  } catch (error) {
    if (!(error instanceof Compacted)) throw asStatusError(error, definition, '')
    if (token.after.name === '')
      throw expired(
        `The provided resourceVersion ${token.revision} is too old: revisions before ${error.horizon} are compacted.`,
      )
    throw expiredContinue(token)
  }
}

/** The snapshot of a continue token is gone: the answer carries a token that goes on from the same key in the present state. */
function expiredContinue({ after }: ContinueToken): StatusError {
  const error = expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
  )
  Object.assign(error.status.metadata, { continue: encodeContinue({ revision: -1, after }) })
  return error
}

function checkWatchOptions(request: WatchRequest): void {
  const { sendInitialEvents, resourceVersionMatch: match } = request
  const errors = []
  if (sendInitialEvents !== undefined) {
    if (match !== 'NotOlderThan')
      errors.push(
        forbiddenField(
          'resourceVersionMatch',
          'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
        ),
      )
    if (sendInitialEvents && request.allowWatchBookmarks !== true)
      errors.push(
        forbiddenField('allowWatchBookmarks', 'sendInitialEvents requires setting allowWatchBookmarks to true'),
      )
  } else if (match !== undefined && match !== '') {
    errors.push(
      forbiddenField(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      ),
    )
  }
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', plural: 'listoptions', kind: 'ListOptions' }, '', errors)
}

/** A watch: initial events where asked for, then every change of what the selection chooses. */
export async function openWatch(
  store: Store,
  definition: ResourceDefinition,
  request: WatchRequest,
  listener: SelectedEventListener,
): Promise<SelectedWatch> {
  checkWatchOptions(request)
  const selection = selectionOf(definition, request)
  const scope: Scope = { resource: definition.storageName, namespace: request.namespace || undefined }
  const since = parseRevision(request.resourceVersion)
  const changeListener = selecting(selection, listener)
  // Unset and 0 begin with the present state; so does sendInitialEvents=true. An unset one, and a bare sendInitialEvents, are linearizable.
  const wantsInitial = request.sendInitialEvents ?? (since === undefined || since === 0)
  if (!wantsInitial && since !== undefined && since > 0) {
    await reach(store, since)
    return await store.subscribe(scope, since, changeListener).catch((error: unknown) => {
      throw asStatusError(error, definition, '')
    })
  }
  await reach(store, since)
  if (wantsInitial) {
    const initial = selected(store, scope, selection).map((object): SelectedEvent => ({
      type: 'ADDED',
      object,
      revision: object.revision,
      left: false,
      change: undefined,
    }))
    if (initial.length > 0) listener.onEvents(initial)
    if (request.sendInitialEvents === true) listener.onInitialEnd?.(store.cachedRevision)
  }
  return store.attach(scope, changeListener)
}

/** Attaches at the cache's present state, synchronously. */
export function attachNow(
  store: Store,
  definition: ResourceDefinition,
  request: SelectRequest,
  listener: SelectedEventListener,
): SelectedWatch {
  const scope: Scope = { resource: definition.storageName, namespace: request.namespace || undefined }
  return store.attach(scope, selecting(selectionOf(definition, request), listener))
}

// The store's changes as the events of a selection.
function selecting(selection: Selection, listener: SelectedEventListener): ChangeListener {
  return {
    onChanges(changes) {
      const events = selection.all ? allEvents(changes, selection) : eventsOf(changes, selection)
      if (events.length > 0) listener.onEvents(events)
    },
    ...(listener.onProgress === undefined
      ? {}
      : { onProgress: (revision: Revision) => listener.onProgress?.(revision) }),
  }
}

function eventsOf(changes: readonly StoreChange[], selection: Selection): readonly SelectedEvent[] {
  const events: SelectedEvent[] = []
  for (const change of changes) {
    const event = selectEvent(change, selection)
    if (event !== undefined) events.push(event)
  }
  return events
}

// The store gives the same list to all who watch the same: they share its events.
let lastChanges: readonly StoreChange[] = []
let lastEvents: readonly SelectedEvent[] = []

function allEvents(changes: readonly StoreChange[], selection: Selection): readonly SelectedEvent[] {
  if (changes !== lastChanges) {
    lastChanges = changes
    lastEvents = eventsOf(changes, selection)
  }
  return lastEvents
}

type StoreChange = NonNullable<SelectedEvent['change']>

/** What a change means for a selection: entering it is ADDED, leaving it DELETED with the state that left. */
export function selectEvent(change: StoreChange, selection: Selection): SelectedEvent | undefined {
  const { object, previous, revision, kind } = change
  if (selection.all)
    return {
      type: kind === 'create' ? 'ADDED' : kind === 'update' ? 'MODIFIED' : 'DELETED',
      object,
      revision,
      left: false,
      change,
    }
  // A state before that is no longer known may have matched.
  const before = kind !== 'create' && (previous === undefined || selection.matches(previous))
  const after = kind !== 'delete' && selection.matches(object)
  if (after) return { type: before ? 'MODIFIED' : 'ADDED', object, revision, left: false, change }
  if (!before) return undefined
  return { type: 'DELETED', object, revision, left: kind !== 'delete', change }
}
