import type { ServerResponse } from 'node:http'
import type { KubernetesObject } from '@binnacle/apimachinery'
import { type ApiServer, inVersion, type ListAnswer, tableCells, tableColumns } from '@binnacle/apiserver'
import { apiVersionOf, type ResourceDefinition } from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'
import type { AnyResponse, Exchange } from '../http/exchange.ts'
import { gzipBytesMin } from '../limits.ts'
import type { ObjectForm } from './accept.ts'

/** How much of the objects a Table carries in its rows. */
type IncludeObject = 'None' | 'Metadata' | 'Object'

function includeObject(exchange: Exchange): IncludeObject {
  const wanted = exchange.url.searchParams.get('includeObject')
  return wanted === 'None' || wanted === 'Object' ? wanted : 'Metadata'
}

/** Sends one object in the form that was asked for. */
export async function sendObject(
  exchange: Exchange,
  server: ApiServer,
  definition: ResourceDefinition,
  object: StoredObject,
  form: ObjectForm,
  code = 200,
): Promise<void> {
  if (form.kind === 'object') return await exchange.send(code, server.encode(definition, object))
  if (form.kind === 'metadata')
    return await exchange.json(code, partialMetadata(inVersion(definition, object), form.version))
  await exchange.json(
    code,
    tableObject(exchange, definition, [object], {
      version: form.version,
      metadata: { resourceVersion: String(object.revision) },
      withColumns: true,
    }),
  )
}

/** `meta.k8s.io PartialObjectMetadata` of an object. */
export function partialMetadata(object: KubernetesObject, version: string): object {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata }
}

/** A Table, as a list's answer or as the object of a watch event. */
export function tableObject(
  exchange: Exchange,
  definition: ResourceDefinition,
  objects: readonly StoredObject[],
  options: { version: string; metadata: object; withColumns: boolean },
): object {
  const include = includeObject(exchange)
  const nowMs = Date.now()
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: options.metadata,
    columnDefinitions: options.withColumns ? tableColumns(definition) : null,
    rows: objects.map((stored) => {
      const object = inVersion(definition, stored)
      const row = { cells: tableCells(definition, stored, nowMs) }
      if (include === 'None') return { ...row, object: null }
      return { ...row, object: include === 'Object' ? object : partialMetadata(object, options.version) }
    }),
  }
}

/** Sends a list in the form that was asked for; plain lists go out from the stored bytes, without decoding. */
export async function sendList(
  exchange: Exchange,
  server: ApiServer,
  definition: ResourceDefinition,
  answer: ListAnswer,
  form: ObjectForm,
): Promise<void> {
  const metadata = {
    resourceVersion: String(answer.revision),
    ...(answer.continue === '' ? {} : { continue: answer.continue }),
    ...(answer.remainingItemCount === undefined ? {} : { remainingItemCount: answer.remainingItemCount }),
  }
  if (form.kind === 'table')
    return await exchange.json(
      200,
      tableObject(exchange, definition, answer.objects, { version: form.version, metadata, withColumns: true }),
    )
  if (form.kind === 'metadata') {
    const items = answer.objects.map((object) => partialMetadata(inVersion(definition, object), form.version))
    return await exchange.json(200, {
      kind: 'PartialObjectMetadataList',
      apiVersion: `meta.k8s.io/${form.version}`,
      metadata,
      items,
    })
  }
  const head = `{"kind":"${definition.listKind}","apiVersion":"${apiVersionOf(definition)}","metadata":${JSON.stringify(metadata)},"items":[`
  await sendParts(exchange, [
    Buffer.from(head),
    ...(answer.segments ?? joined(answer.objects.map((object) => server.encode(definition, object)))),
    Buffer.from(']}\n'),
  ])
}

const comma = Buffer.from(',')

function joined(items: readonly Buffer[]): Buffer[] {
  return items.flatMap((item, index) => (index === 0 ? [item] : [comma, item]))
}

// Large lists are streamed part by part, so that the first byte leaves at once and a slow reader holds little memory.
async function sendParts(exchange: Exchange, parts: readonly Buffer[]): Promise<void> {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  if (bytes < gzipBytesMin || exchange.takesGzip) return await exchange.send(200, Buffer.concat(parts))
  exchange.head(200, { 'content-type': 'application/json', 'content-length': bytes })
  if (exchange.method === 'HEAD') return void exchange.outgoing.end()
  for (const chunk of grouped(parts)) {
    if (!write(exchange.outgoing, chunk)) await drained(exchange.outgoing)
    if (exchange.outgoing.destroyed) return
  }
  exchange.outgoing.end()
}

const chunkBytesMin = 64 * 1024

// Small parts are joined, large ones go out as they are: copying 32 MB takes longer than sending them.
function* grouped(parts: readonly Buffer[]): Generator<Buffer> {
  let group: Buffer[] = []
  let bytes = 0
  for (const part of parts) {
    const isLarge = part.length >= chunkBytesMin
    if (!isLarge) {
      group.push(part)
      bytes += part.length
    }
    if (bytes > 0 && (isLarge || bytes >= chunkBytesMin)) {
      yield Buffer.concat(group)
      group = []
      bytes = 0
    }
    if (isLarge) yield part
  }
  if (bytes > 0) yield Buffer.concat(group)
}

function write(response: AnyResponse, chunk: Buffer): boolean {
  return (response as ServerResponse).write(chunk)
}

function drained(response: AnyResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
