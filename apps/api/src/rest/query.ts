import { badRequest, invalid, notSupported, StatusError } from '@binnacle/apimachinery'
import type {
  DeleteRequest,
  FieldValidation,
  ListRequest,
  WatchRequest,
  WriteRequestOptions,
} from '@binnacle/apiserver'
import type { Exchange } from '../http/exchange.ts'

/** Reads the query parameters of requests, with kube-apiserver's rules and errors. */

function text(exchange: Exchange, name: string): string | undefined {
  const value = exchange.url.searchParams.get(name)
  return value === null || value === '' ? undefined : value
}

/** A boolean as Go's strconv reads it; a bare parameter is true. */
export function flag(exchange: Exchange, name: string): boolean | undefined {
  const value = exchange.url.searchParams.get(name)
  if (value === null) return undefined
  return !['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)
}

function wholeNumber(exchange: Exchange, name: string): number | undefined {
  const value = text(exchange, name)
  if (value === undefined) return undefined
  if (!/^-?\d+$/.test(value)) throw badRequest(`strconv.ParseInt: parsing "${value}": invalid syntax`)
  return Number(value)
}

/** Parameters of a list. */
export function listRequest(exchange: Exchange, namespace: string | undefined, name: string | undefined): ListRequest {
  const fieldSelector = [text(exchange, 'fieldSelector'), name === undefined ? undefined : `metadata.name=${name}`]
    .filter((part) => part !== undefined)
    .join(',')
  return {
    namespace,
    labelSelector: text(exchange, 'labelSelector'),
    fieldSelector: fieldSelector === '' ? undefined : fieldSelector,
    limit: wholeNumber(exchange, 'limit'),
    continue: text(exchange, 'continue'),
    resourceVersion: text(exchange, 'resourceVersion'),
    resourceVersionMatch: text(exchange, 'resourceVersionMatch') as ListRequest['resourceVersionMatch'],
  }
}

/** Parameters of a watch. */
export function watchRequest(
  exchange: Exchange,
  namespace: string | undefined,
  name: string | undefined,
): WatchRequest {
  const { limit: _limit, continue: _continue, ...list } = listRequest(exchange, namespace, name)
  return {
    ...list,
    sendInitialEvents: flag(exchange, 'sendInitialEvents'),
    allowWatchBookmarks: flag(exchange, 'allowWatchBookmarks'),
  }
}

/** `timeoutSeconds` of a watch. */
export function timeoutSeconds(exchange: Exchange): number | undefined {
  const seconds = wholeNumber(exchange, 'timeoutSeconds')
  return seconds === undefined || seconds <= 0 ? undefined : seconds
}

const metaKind = (kind: string) => ({ group: 'meta.k8s.io', plural: kind.toLowerCase(), kind })

function isDryRun(values: readonly string[], kind: string): boolean {
  for (const value of values)
    if (value !== 'All') throw invalid(metaKind(kind), '', [notSupported('dryRun', values, ['All'])])
  return values.length > 0
}

/** Parameters of a create, update or patch. */
export function writeOptions(
  exchange: Exchange,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
): WriteRequestOptions {
  const fieldValidation = text(exchange, 'fieldValidation')
  if (fieldValidation !== undefined && !['Strict', 'Warn', 'Ignore'].includes(fieldValidation)) {
    throw invalid(metaKind(kind), '', [
      notSupported('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']),
    ])
  }
  const fieldManager = text(exchange, 'fieldManager') ?? (exchange.userAgent.split('/')[0] as string)
  if (fieldManager.length > 128)
    throw invalid(metaKind(kind), '', [
      { type: 'FieldValueTooLong', field: 'fieldManager', message: 'Too long: may not be more than 128 bytes' },
    ])
  return {
    dryRun: isDryRun(exchange.url.searchParams.getAll('dryRun'), kind),
    fieldManager,
    fieldValidation: (fieldValidation ?? 'Warn') as FieldValidation,
  }
}

interface DeleteOptionsBody {
  gracePeriodSeconds?: number
  propagationPolicy?: string
  orphanDependents?: boolean
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: string[]
}

/** Options of a delete, from the body where there is one, else from the query. */
export function deleteRequest(exchange: Exchange, body: unknown): DeleteRequest {
  const given = (body ?? {}) as DeleteOptionsBody
  const gracePeriodSeconds = given.gracePeriodSeconds ?? wholeNumber(exchange, 'gracePeriodSeconds')
  const propagationPolicy = given.propagationPolicy ?? text(exchange, 'propagationPolicy')
  const orphanDependents = given.orphanDependents ?? flag(exchange, 'orphanDependents')
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    throw invalid(metaKind('DeleteOptions'), '', [
      {
        type: 'FieldValueInvalid',
        field: 'propagationPolicy',
        message: 'Invalid value: orphanDependents and deletionPropagation cannot be both set',
      },
    ])
  }
  if (propagationPolicy !== undefined && !['Orphan', 'Background', 'Foreground'].includes(propagationPolicy)) {
    throw invalid(metaKind('DeleteOptions'), '', [
      notSupported('propagationPolicy', propagationPolicy, ['Background', 'Foreground', 'Orphan']),
    ])
  }
  if (gracePeriodSeconds !== undefined && !Number.isInteger(gracePeriodSeconds))
    throw new StatusError('BadRequest', 'gracePeriodSeconds: a whole number of seconds is needed')
  return {
    gracePeriodSeconds,
    propagationPolicy: propagationPolicy as DeleteRequest['propagationPolicy'],
    orphanDependents,
    preconditions: given.preconditions,
    dryRun: isDryRun([...(given.dryRun ?? []), ...exchange.url.searchParams.getAll('dryRun')], 'DeleteOptions'),
  }
}
