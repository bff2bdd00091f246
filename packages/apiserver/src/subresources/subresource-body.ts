import type { KubernetesObject } from '@binnacle/apimachinery'
import type { ResourceRegistry } from '@binnacle/resources'
import type { RequestContext, WriteRequestOptions } from '../api-server.ts'
import { type BodyKind, decodeBody } from '../decode-body.ts'

// The dotted names of the kinds that POSTs to subresources carry.
const bodies = {
  Binding: { group: '', version: 'v1', schemaName: 'io.k8s.api.core.v1.Binding' },
  Eviction: { group: 'policy', version: 'v1', schemaName: 'io.k8s.api.policy.v1.Eviction' },
  TokenRequest: {
    group: 'authentication.k8s.io',
    version: 'v1',
    schemaName: 'io.k8s.api.authentication.v1.TokenRequest',
  },
} as const

/** Decodes the body of a POST to a subresource. @throws StatusError BadRequest */
export function decodeSubresourceBody<T extends KubernetesObject>(
  request: RequestContext,
  registry: ResourceRegistry,
  kind: keyof typeof bodies,
  body: unknown,
  options: WriteRequestOptions,
): T {
  const { group, version, schemaName } = bodies[kind]
  const definition: BodyKind = { group, version, kind, schema: registry.schemas(schemaName) }
  return decodeBody(request, definition, registry.schemas, body, options) as T
}
