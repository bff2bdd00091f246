import { StatusError } from '@binnacle/apimachinery'

/** The form in which a client wants objects. Everything is JSON; a Table or metadata alone may be asked for within it. */
export type ObjectForm =
  | { readonly kind: 'object' }
  | { readonly kind: 'table'; readonly version: string }
  | { readonly kind: 'metadata'; readonly version: string; readonly list: boolean }

const plain: ObjectForm = { kind: 'object' }

/**
 * Chooses the form from an Accept header: the first offer that this server knows. Protobuf is answered with JSON, which every client takes.
 * @throws StatusError NotAcceptable
 */
export function negotiateForm(accept: string): ObjectForm {
  if (accept === '' || accept === 'application/json') return plain
  for (const offer of accept.split(',')) {
    const [type = '', ...parameters] = offer.split(';').map((part) => part.trim())
    const parameter = (name: string): string | undefined =>
      parameters.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1)
    const as = parameter('as')
    if (as !== undefined) {
      const form =
        type === 'application/json' && parameter('g') === 'meta.k8s.io'
          ? formFor(as, parameter('v') ?? 'v1')
          : undefined
      if (form !== undefined) return form
      continue
    }
    if (
      [
        'application/json',
        'application/vnd.kubernetes.protobuf',
        '*/*',
        'application/*',
        'application/yaml',
        'text/html',
        'text/plain',
      ].includes(type)
    )
      return plain
  }
  throw new StatusError('NotAcceptable', 'only the following media types are accepted: application/json')
}

function formFor(as: string, version: string): ObjectForm | undefined {
  if (as === 'Table') return { kind: 'table', version }
  if (as === 'PartialObjectMetadata') return { kind: 'metadata', version, list: false }
  return as === 'PartialObjectMetadataList' ? { kind: 'metadata', version, list: true } : undefined
}
