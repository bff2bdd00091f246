import { ageColumn, column, mapText } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Service } from '../generated/types.ts'
import { endpointSlices } from './endpoint-slices.ts'
import { endpoints } from './endpoints.ts'
import { pods } from './pods.ts'
import { serviceStrategy } from './service-strategy.ts'

/** A stable address for a set of pods. */
export const services: ResourceDefinition<Service> = defineResource<Service>('', 'v1', 'services', {
  shortNames: ['svc'],
  categories: ['all'],
  selectableFields: ['spec.clusterIP', 'spec.type'],
  columns: [
    column('Type', (service: Service) => service.spec?.type ?? ''),
    column('Cluster-IP', (service: Service) => service.spec?.clusterIPs?.[0] ?? service.spec?.clusterIP ?? '<none>'),
    column('External-IP', externalIP),
    column('Port(s)', portsText),
    ageColumn,
    column('Selector', (service: Service) => mapText(service.spec?.selector), { wide: true }),
  ],
  edges: {
    pods: { to: () => pods, by: 'selector', path: 'spec.selector' },
    endpoints: { to: () => endpoints, by: 'name', path: 'metadata.name' },
    endpointSlices: { to: () => endpointSlices, by: 'label', label: 'kubernetes.io/service-name' },
  },
  strategy: serviceStrategy,
})

function externalIP(service: Service): string {
  const given = service.spec?.externalIPs ?? []
  const balancers = (service.status?.loadBalancer?.ingress ?? [])
    .map((ingress) => ingress.ip ?? ingress.hostname ?? '')
    .filter((address) => address !== '')
  switch (service.spec?.type) {
    case 'LoadBalancer':
      return [...balancers, ...given].join(',') || '<pending>'
    case 'ExternalName':
      return service.spec.externalName ?? ''
    default:
      return given.join(',') || '<none>'
  }
}

function portsText(service: Service): string {
  const ports = (service.spec?.ports ?? []).map(
    (port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`,
  )
  return ports.length === 0 ? '<none>' : ports.join(',')
}
