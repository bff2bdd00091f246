import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { EndpointSlice } from '../generated/types.ts'

const shownMax = 3

/** A part of the addresses behind a Service. */
export const endpointSlices: ResourceDefinition<EndpointSlice> = defineResource<EndpointSlice>(
  'discovery.k8s.io',
  'v1',
  'endpointslices',
  {
    columns: [
      column('AddressType', (slice: EndpointSlice) => slice.addressType),
      column('Ports', (slice: EndpointSlice) =>
        shorten(
          (slice.ports ?? []).map((port) => (port.port === undefined ? '*' : String(port.port))),
          slice.ports === undefined ? '<unset>' : '<none>',
        ),
      ),
      column('Endpoints', (slice: EndpointSlice) =>
        shorten(
          (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses),
          '<unset>',
        ),
      ),
      ageColumn,
    ],
  },
)

function shorten(texts: readonly string[], none: string): string {
  if (texts.length === 0) return none
  return texts.length <= shownMax
    ? texts.join(',')
    : `${texts.slice(0, shownMax).join(',')} + ${texts.length - shownMax} more...`
}
