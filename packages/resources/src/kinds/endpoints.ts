import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Endpoints } from '../generated/types.ts'

const shownMax = 3

/** The addresses behind a Service, in the older form. */
export const endpoints: ResourceDefinition<Endpoints> = defineResource<Endpoints>('', 'v1', 'endpoints', {
  shortNames: ['ep'],
  columns: [column('Endpoints', addressesText), ageColumn],
})

function addressesText(object: Endpoints): string {
  const all = (object.subsets ?? []).flatMap((subset) => {
    const addresses = subset.addresses ?? []
    if ((subset.ports ?? []).length === 0) return addresses.map((address) => address.ip)
    return (subset.ports ?? []).flatMap((port) =>
      addresses.map((address) => `${address.ip.includes(':') ? `[${address.ip}]` : address.ip}:${port.port}`),
    )
  })
  if (all.length === 0) return '<none>'
  return all.length <= shownMax
    ? all.join(',')
    : `${all.slice(0, shownMax).join(',')} + ${all.length - shownMax} more...`
}
