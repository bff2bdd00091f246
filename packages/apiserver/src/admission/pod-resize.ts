import { compareQuantities, forbidden, type Quantity, StatusError } from '@binnacle/apimachinery'
import { amountsOf, type Node, nodes, type Pod, podRequestAmounts, pods } from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

const osLabel = 'kubernetes.io/os'
const zero: Quantity = { nanos: 0n, format: 'DecimalSI' }

/**
 * A pod is not resized beyond what its node has, nor on a node where that cannot be done (plugin PodResizeValidator). Vertical autoscalers tell the two
 * apart by the cause. @throws StatusError Forbidden
 */
export function checkResize(store: Pick<AdmissionStore, 'get'>, pod: Pod, old: Pod): void {
  const nodeName = pod.spec?.nodeName
  if (!nodeName || pod.metadata.generation === old.metadata.generation) return
  const node = store.get({ resource: nodes.storageName, namespace: '', name: nodeName })?.parse() as Node | undefined
  if (node === undefined) throw forbidden(pods, pod.metadata.name, `node "${nodeName}" not found`)
  const lacking = lackOf(pod, node)
  if (lacking.length > 0)
    throw refusal(pod, 'NodeCapacity', `Node didn't have enough allocatable resources: ${lacking.join('; ')}`)
  const os = node.metadata.labels?.[osLabel] ?? ''
  if (os !== 'linux')
    throw refusal(
      pod,
      'UnsupportedPlatform',
      `pod resize is only supported on linux nodes, node "${nodeName}" is "${os}"`,
    )
}

function lackOf(pod: Pod, node: Node): string[] {
  const requested = podRequestAmounts(pod)
  const allocatable = amountsOf(node.status?.allocatable)
  return (['cpu', 'memory'] as const).flatMap((name) => {
    const [wanted, there] = [requested.get(name) ?? zero, allocatable.get(name) ?? zero]
    if (compareQuantities(wanted, there) <= 0) return []
    const [requestedText, allocatableText] = [wanted, there].map((amount) => `${whole(amount, name)}`)
    return [`${name}, requested: ${requestedText}, allocatable: ${allocatableText}`]
  })
}

// CPU in thousandths, memory in bytes, rounded up.
function whole({ nanos }: Quantity, name: 'cpu' | 'memory'): bigint {
  const unit = name === 'cpu' ? 1_000_000n : 1_000_000_000n
  return (nanos + unit - 1n) / unit
}

function refusal(pod: Pod, reason: string, why: string): StatusError {
  const { message, details } = forbidden(pods, pod.metadata.name, why).status
  return new StatusError('Forbidden', message as string, {
    ...details,
    causes: [{ reason }],
  })
}
