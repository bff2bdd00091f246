import type { ContainerSpec, SchedulablePod } from './scheduled-objects.ts'

/** A port of the node's own network that a pod takes. */
export interface HostPort {
  /** `0.0.0.0` for all addresses. */
  readonly ip: string
  readonly protocol: string
  readonly port: number
}

const allAddresses = '0.0.0.0'

/** The host ports of a pod's containers and sidecars. */
export function hostPortsOf(pod: SchedulablePod): HostPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always')
  return [...pod.spec.containers, ...sidecars].flatMap(portsOfContainer)
}

function portsOfContainer(container: ContainerSpec): HostPort[] {
  return (container.ports ?? []).flatMap(({ hostPort, hostIP, protocol }) => {
    if (hostPort === undefined || hostPort <= 0) return []
    const ip = hostIP === undefined || hostIP === '' || hostIP === '::' ? allAddresses : hostIP
    return [{ ip, protocol: protocol ?? 'TCP', port: hostPort }]
  })
}

/** True when both cannot be taken on one node (kube-scheduler's HostPortInfo: all addresses clash with each one). */
export function portsClash(a: HostPort, b: HostPort): boolean {
  return (
    a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === allAddresses || b.ip === allAddresses)
  )
}

/** Host ports in use, by node slot; most nodes have few, most pods none. */
export class HostPortUse {
  readonly #bySlot = new Map<number, HostPort[]>()

  /** Counts a pod's ports on a slot. */
  take(slot: number, ports: readonly HostPort[]): void {
    if (ports.length === 0) return
    const used = this.#bySlot.get(slot)
    if (used === undefined) this.#bySlot.set(slot, [...ports])
    else used.push(...ports)
  }

  /** Takes a pod's ports off a slot. */
  release(slot: number, ports: readonly HostPort[]): void {
    const used = this.#bySlot.get(slot)
    if (used === undefined) return
    for (const port of ports) {
      const index = used.findIndex((u) => u.port === port.port && u.ip === port.ip && u.protocol === port.protocol)
      if (index >= 0) used.splice(index, 1)
    }
    if (used.length === 0) this.#bySlot.delete(slot)
  }

  /** True when none of the ports is taken on the slot. */
  areFree(slot: number, ports: readonly HostPort[]): boolean {
    const used = this.#bySlot.get(slot)
    return used === undefined || !ports.some((wanted) => used.some((u) => portsClash(u, wanted)))
  }
}
