import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Node } from '../generated/types.ts'
import { nodeStrategy } from './node-strategy.ts'
import { pods } from './pods.ts'

/** A machine that runs pods. */
export const nodes: ResourceDefinition<Node> = defineResource<Node>('', 'v1', 'nodes', {
  shortNames: ['no'],
  selectableFields: ['spec.unschedulable'],
  columns: [
    column('Status', statusText),
    column('Roles', rolesText),
    ageColumn,
    column('Version', (node: Node) => node.status?.nodeInfo?.kubeletVersion ?? ''),
    column('Internal-IP', (node: Node) => addressText(node, 'InternalIP'), { wide: true }),
    column('External-IP', (node: Node) => addressText(node, 'ExternalIP'), { wide: true }),
    column('OS-Image', (node: Node) => node.status?.nodeInfo?.osImage || '<unknown>', { wide: true }),
    column('Kernel-Version', (node: Node) => node.status?.nodeInfo?.kernelVersion || '<unknown>', { wide: true }),
    column('Container-Runtime', (node: Node) => node.status?.nodeInfo?.containerRuntimeVersion || '<unknown>', {
      wide: true,
    }),
  ],
  edges: { pods: { to: () => pods, by: 'namedBy', path: 'spec.nodeName' } },
  strategy: nodeStrategy,
})

function statusText(node: Node): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')
  const parts = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady']
  if (node.spec?.unschedulable === true) parts.push('SchedulingDisabled')
  return parts.join(',')
}

const rolePrefix = 'node-role.kubernetes.io/'

function rolesText(node: Node): string {
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(rolePrefix)) return key.length > rolePrefix.length ? [key.slice(rolePrefix.length)] : []
    return key === 'kubernetes.io/role' && value !== '' ? [value] : []
  })
  return roles.length === 0 ? '<none>' : [...new Set(roles)].sort().join(',')
}

function addressText(node: Node, type: string): string {
  return node.status?.addresses?.find((address) => address.type === type)?.address ?? '<none>'
}
