import {
  badRequest,
  forbiddenField,
  invalid,
  type KubernetesObject,
  type Status,
  StatusError,
} from '@binnacle/apimachinery'
import { type ApiServer, type DeleteAnswer, unsupportedPatch } from '@binnacle/apiserver'
import type { Patch } from '@binnacle/client'
import type { ResourceDefinition, Verb } from '@binnacle/resources'
import { type Exchange, success } from '../http/exchange.ts'
import { type DecodedBody, decodeRequestBody } from '../http/request-body.ts'
import { negotiateForm } from './accept.ts'
import { sendList, sendObject } from './object-response.ts'
import { deleteRequest, flag, listRequest, writeOptions } from './query.ts'
import type { ResourceRoute } from './routes.ts'
import type { WatchStreams } from './watch-stream.ts'
import { isPodStream, type PodStreams } from '../streaming/pod-streams.ts'

/** What serves resource requests. */
export interface RestEnvironment {
  readonly server: ApiServer
  readonly watches: WatchStreams
  readonly podStreams: PodStreams
}

type Item = ResourceRoute & { readonly name: string; readonly namespace: string }

/** Serves a request for a resource, by method and by what the path names. @throws StatusError */
export async function serveResource(env: RestEnvironment, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const { definition, name, subresource } = route
  if (definition.custom?.deprecationWarning !== undefined) exchange.warn(definition.custom.deprecationWarning)
  exchange.label = `${verbOf(exchange, route)} ${definition.plural}${subresource === undefined ? '' : `/${subresource}`}`
  if (name === undefined) return await serveCollection(env, exchange, route)
  const item = { ...route, name, namespace: route.namespace ?? '' }
  if (route.watch || (exchange.method === 'GET' && flag(exchange, 'watch') === true))
    return await watch(env, exchange, route)
  if (subresource === undefined) return await serveItem(env, exchange, item)
  await serveSubresource(env, exchange, { ...item, subresource })
}

function verbOf(exchange: Exchange, { name, watch }: ResourceRoute): string {
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return watch || flag(exchange, 'watch') === true ? 'watch' : name === undefined ? 'list' : 'get'
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete'
    default:
      return { POST: 'create', PUT: 'update', PATCH: 'patch' }[exchange.method] ?? exchange.method.toLowerCase()
  }
}

const methodNotAllowed = (): StatusError =>
  new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
const noSuchResource = (): StatusError =>
  new StatusError('NotFound', 'the server could not find the requested resource')

async function serveCollection(env: RestEnvironment, exchange: Exchange, route: ResourceRoute): Promise<void> {
  const { definition } = route
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return route.watch || flag(exchange, 'watch') === true
        ? await watch(env, exchange, route)
        : await list(env, exchange, route)
    case 'POST':
      return await create(env, exchange, definition, route.namespace ?? '')
    case 'DELETE': {
      const isEverywhere = route.namespace === undefined && definition.scope === 'Namespaced'
      if (isEverywhere || !definition.verbs.includes('deletecollection')) throw methodNotAllowed()
      const body = await readBody(exchange, false)
      const answer = await env.server.deleteCollection(
        exchange,
        definition,
        listRequest(exchange, route.namespace, undefined),
        deleteRequest(exchange, body.value),
      )
      return await sendList(exchange, env.server, definition, answer, { kind: 'object' })
    }
    default:
      throw methodNotAllowed()
  }
}

async function list(
  { server }: RestEnvironment,
  exchange: Exchange,
  { definition, namespace }: ResourceRoute,
): Promise<void> {
  const form = negotiateForm(exchange.header('accept'))
  const answer = await server.list(exchange, definition, {
    ...listRequest(exchange, namespace, undefined),
    wantSegments: form.kind === 'object',
  })
  await sendList(exchange, server, definition, answer, form)
}

async function watch(
  { watches }: RestEnvironment,
  exchange: Exchange,
  { definition, namespace, name }: ResourceRoute,
): Promise<void> {
  if (!definition.verbs.includes('watch')) throw methodNotAllowed()
  await watches.serve(
    exchange,
    definition,
    { namespace: namespace === '' ? undefined : namespace, name },
    negotiateForm(exchange.header('accept')),
  )
}

async function readBody(exchange: Exchange, checkDuplicates: boolean): Promise<DecodedBody> {
  return decodeRequestBody(exchange.header('content-type'), await exchange.body(), checkDuplicates)
}

async function create(
  { server }: RestEnvironment,
  exchange: Exchange,
  definition: ResourceDefinition,
  namespace: string,
): Promise<void> {
  if (!definition.verbs.includes('create')) throw methodNotAllowed()
  const options = writeOptions(exchange, 'CreateOptions')
  const { value, duplicateFields } = await readBody(exchange, options.fieldValidation !== 'Ignore')
  if (definition.virtual === true)
    return await exchange.json(201, await server.createVirtual(exchange, definition, namespace, value, options))
  const form = negotiateForm(exchange.header('accept'))
  const { object } = await server.create(exchange, definition, namespace, value, { ...options, duplicateFields })
  await sendObject(exchange, server, definition, object, form, 201)
}

async function serveItem(env: RestEnvironment, exchange: Exchange, item: Item): Promise<void> {
  const { server } = env
  const { definition } = item
  const verb = verbOf(exchange, item)
  if (definition.virtual === true || !definition.verbs.includes(verb as Verb)) throw methodNotAllowed()
  const form = negotiateForm(exchange.header('accept'))
  switch (exchange.method) {
    case 'GET':
    case 'HEAD': {
      const resourceVersion = exchange.url.searchParams.get('resourceVersion') ?? undefined
      return await sendObject(
        exchange,
        server,
        definition,
        await server.get(exchange, definition, item, { resourceVersion }),
        form,
      )
    }
    case 'PUT': {
      const { object } = await update(env, exchange, item, undefined)
      return await sendObject(exchange, server, definition, object, form)
    }
    case 'PATCH': {
      const { object } = await patch(env, exchange, item, undefined)
      return await sendObject(exchange, server, definition, object, form)
    }
    case 'DELETE': {
      const { value } = await readBody(exchange, false)
      return await sendDeleted(
        env,
        exchange,
        definition,
        await server.delete(exchange, definition, item, deleteRequest(exchange, value)),
      )
    }
    default:
      throw methodNotAllowed()
  }
}

// Gone at once: a Status that names what it was. Still there for a while: the object. Pods are always answered with the object.
async function sendDeleted(
  { server }: RestEnvironment,
  exchange: Exchange,
  definition: ResourceDefinition,
  { object, gone }: DeleteAnswer,
): Promise<void> {
  const returnsObject =
    !gone ||
    [
      'pods',
      'services',
      'serviceaccounts',
      'persistentvolumes',
      'persistentvolumeclaims',
      'resourcequotas',
      'podtemplates',
    ].includes(definition.storageName)
  if (returnsObject) return await sendObject(exchange, server, definition, object, { kind: 'object' })
  const details = {
    name: object.key.name,
    ...(definition.group === '' ? {} : { group: definition.group }),
    kind: definition.plural,
    uid: object.uid,
  }
  await exchange.json(200, success(details))
}

async function update({ server }: RestEnvironment, exchange: Exchange, item: Item, subresource: string | undefined) {
  const options = writeOptions(exchange, 'UpdateOptions')
  const { value, duplicateFields } = await readBody(exchange, options.fieldValidation !== 'Ignore')
  return await server.update(exchange, item.definition, item, value, { ...options, duplicateFields, subresource })
}

async function patch({ server }: RestEnvironment, exchange: Exchange, item: Item, subresource: string | undefined) {
  const options = writeOptions(exchange, 'PatchOptions')
  const force = flag(exchange, 'force')
  if (isApply(exchange)) {
    // An applier has to name itself: its User-Agent does not do.
    const fieldManager = exchange.url.searchParams.get('fieldManager') ?? ''
    const { value, duplicateFields } = await readConfiguration(exchange)
    const applied = { ...options, duplicateFields, fieldManager, subresource, force }
    return await server.apply(exchange, item.definition, item, value, applied)
  }
  if (force !== undefined)
    throw invalid({ group: 'meta.k8s.io', plural: 'patchoptions', kind: 'PatchOptions' }, '', [
      forbiddenField('force', 'may not be specified for non-apply patch'),
    ])
  return await server.patch(exchange, item.definition, item, await readPatch(exchange, item.definition), {
    ...options,
    subresource,
  })
}

const applyTypes = new Set(['application/apply-patch+yaml', 'application/apply-patch+json'])
const mediaTypeOf = (exchange: Exchange): string => (exchange.header('content-type').split(';')[0] as string).trim()
const isApply = (exchange: Exchange): boolean => applyTypes.has(mediaTypeOf(exchange))

// kubectl sends JSON, which is YAML too, and is read several times as fast.
async function readConfiguration(exchange: Exchange): Promise<DecodedBody> {
  const bytes = await exchange.body()
  return decodeRequestBody(bytes.toString('latin1').trimStart().startsWith('{') ? '' : 'application/yaml', bytes, true)
}

async function readPatch(exchange: Exchange, definition: ResourceDefinition): Promise<Patch> {
  const bytes = await exchange.body()
  switch (mediaTypeOf(exchange)) {
    case 'application/json-patch+json':
      return { type: 'json', operations: operationsOf(parsePatch(bytes)) }
    case 'application/merge-patch+json':
      return { type: 'merge', body: parsePatch(bytes) as Record<string, unknown> }
    case 'application/strategic-merge-patch+json':
      return { type: 'strategic', body: parsePatch(bytes) as Record<string, unknown> }
    default:
      throw unsupportedPatch(definition)
  }
}

function operationsOf(patch: unknown): readonly unknown[] {
  if (Array.isArray(patch) && patch.every((operation) => typeof operation === 'object' && operation !== null))
    return patch
  throw badRequest('error decoding patch: json: cannot unmarshal it into Go value of type jsonpatch.Patch')
}

function parsePatch(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch (error) {
    throw badRequest(`error decoding patch: ${(error as Error).message}`)
  }
}

async function serveSubresource(
  env: RestEnvironment,
  exchange: Exchange,
  item: Item & { readonly subresource: string },
): Promise<void> {
  const { definition, subresource } = item
  if (subresource === 'scale' && definition.subresources.scale !== undefined)
    return await serveScale(env, exchange, item)
  if (definition.storageName === 'pods' && isPodStream(subresource))
    return await env.podStreams.serve(exchange, subresource, item)
  const other = definition.subresources.others.find((candidate) => candidate.name === subresource)
  const isStatus = subresource === 'status' && definition.subresources.status === true
  if (isStatus || (other !== undefined && (other.verbs.includes('update') || other.verbs.includes('get'))))
    return await serveObjectPart(env, exchange, item)
  if (other === undefined) throw noSuchResource()
  if (exchange.method !== 'POST') throw methodNotAllowed()
  const { value } = await readBody(exchange, false)
  const answer: KubernetesObject | Status = await env.server.createSubresource(
    exchange,
    definition,
    item,
    subresource,
    value,
    writeOptions(exchange, 'CreateOptions'),
  )
  await exchange.json(201, answer)
}

async function serveScale({ server }: RestEnvironment, exchange: Exchange, item: Item): Promise<void> {
  const { definition } = item
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return await exchange.json(200, await server.getScale(exchange, definition, item))
    case 'PUT': {
      const { value } = await readBody(exchange, false)
      return await exchange.json(
        200,
        await server.updateScale(exchange, definition, item, value, writeOptions(exchange, 'UpdateOptions')),
      )
    }
    case 'PATCH':
      return await exchange.json(
        200,
        await server.patchScale(
          exchange,
          definition,
          item,
          await readPatch(exchange, definition),
          writeOptions(exchange, 'PatchOptions'),
        ),
      )
    default:
      throw methodNotAllowed()
  }
}

async function serveObjectPart(
  env: RestEnvironment,
  exchange: Exchange,
  item: Item & { readonly subresource: string },
): Promise<void> {
  const { server } = env
  const { definition, subresource } = item
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return await sendObject(
        exchange,
        server,
        definition,
        await server.get(exchange, definition, item),
        negotiateForm(exchange.header('accept')),
      )
    case 'PUT': {
      const { object } = await update(env, exchange, item, subresource)
      return await sendObject(exchange, server, definition, object, { kind: 'object' })
    }
    case 'PATCH': {
      const { object } = await patch(env, exchange, item, subresource)
      return await sendObject(exchange, server, definition, object, { kind: 'object' })
    }
    default:
      throw methodNotAllowed()
  }
}
