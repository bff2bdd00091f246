/** `metav1.Status` reasons that this server gives, each with its HTTP code (apimachinery `errors.go`). */
export const statusCodeByReason = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const

/** A machine-readable reason of a failed request. */
export type StatusReason = keyof typeof statusCodeByReason

/** One cause within a Status: for `Invalid`, one field. */
export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

/** `metav1.Status`: the answer to a failed request, and to some successful deletes. */
export interface Status {
  kind: 'Status'
  apiVersion: 'v1'
  metadata: Record<string, never>
  status: 'Success' | 'Failure'
  message?: string
  reason?: StatusReason
  details?: {
    name?: string
    group?: string
    kind?: string
    uid?: string
    causes?: StatusCause[]
    retryAfterSeconds?: number
  }
  code?: number
}

/** What an error message needs of a resource; every ResourceDefinition fits. */
export interface ResourceName {
  readonly group: string
  readonly plural: string
  readonly kind: string
}

/** One problem with one field: `field` is a path as Kubernetes writes it (`spec.containers[0].name`). */
export interface FieldError {
  readonly type:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueNotFound'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
    | 'InternalError'
  readonly field: string
  /** The text after `field: `, e.g. `Required value: must specify a name`. */
  readonly message: string
}

/** An answer to the caller of a request. Thrown only for that; `status` is what goes on the wire. */
export class StatusError extends Error {
  readonly status: Status
  constructor(reason: StatusReason, message: string, details?: Status['details'], options?: ErrorOptions) {
    super(message, options)
    this.name = 'StatusError'
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code: statusCodeByReason[reason],
    }
  }
  get reason(): StatusReason {
    return this.status.reason as StatusReason
  }
  get code(): number {
    return this.status.code as number
  }
}

/** `deployments.apps`, or `pods` in the core group: how messages name a resource. */
export function qualifiedResource(resource: ResourceName): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}

function details(resource: ResourceName, name: string): NonNullable<Status['details']> {
  return { name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.plural }
}

/** The object does not exist. */
export function notFound(resource: ResourceName, name: string): StatusError {
  return new StatusError('NotFound', `${qualifiedResource(resource)} "${name}" not found`, details(resource, name))
}

/** An object of that name exists already. */
export function alreadyExists(resource: ResourceName, name: string): StatusError {
  return new StatusError(
    'AlreadyExists',
    `${qualifiedResource(resource)} "${name}" already exists`,
    details(resource, name),
  )
}

/** The write was based on an older state. */
export function conflict(resource: ResourceName, name: string, why = staleMessage): StatusError {
  return new StatusError(
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedResource(resource)} "${name}": ${why}`,
    details(resource, name),
  )
}
const staleMessage = 'the object has been modified; please apply your changes to the latest version and try again'

/** The object breaks rules of its kind; one cause a field. */
export function invalid(resource: ResourceName, name: string, errors: readonly FieldError[]): StatusError {
  const texts = errors.map((e) => `${e.field}: ${e.message}`)
  const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  const qualifiedKind = resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`
  return new StatusError('Invalid', `${qualifiedKind} "${name}" is invalid: ${list}`, {
    name,
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.kind,
    causes: errors.map((e) => ({ reason: e.type, message: e.message, field: e.field })),
  })
}

/** The request itself is malformed. */
export function badRequest(message: string): StatusError {
  return new StatusError('BadRequest', message)
}

/** The user may not do this to the object. */
export function forbidden(resource: ResourceName, name: string, why: string): StatusError {
  return new StatusError(
    'Forbidden',
    `${qualifiedResource(resource)}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`,
    details(resource, name),
  )
}

/** The revision or continue token asked for lies below the compaction horizon. */
export function expired(message: string): StatusError {
  return new StatusError('Expired', message)
}

/** True for a StatusError of the given reason. */
export function hasReason(error: unknown, reason: StatusReason): error is StatusError {
  return error instanceof StatusError && error.reason === reason
}
/** True when the object was not there. */
export const isNotFound = (error: unknown): error is StatusError => hasReason(error, 'NotFound')
/** True when the object was there already. */
export const isAlreadyExists = (error: unknown): error is StatusError => hasReason(error, 'AlreadyExists')
/** True when the write was based on an older state. */
export const isConflict = (error: unknown): error is StatusError => hasReason(error, 'Conflict')
/** True when the namespace of a create is being deleted (a Forbidden with cause NamespaceTerminating). */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    hasReason(error, 'Forbidden') &&
    (error.status.details?.causes ?? []).some((c) => c.reason === 'NamespaceTerminating')
  )
}
