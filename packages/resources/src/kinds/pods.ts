import { humanDuration, parseTime } from '@binnacle/apimachinery'
import { ageColumn, column } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import type { Container, ContainerStatus, Pod } from '../generated/types.ts'
import { podStrategy } from './pod-strategy.ts'
import { configMaps } from './config-maps.ts'
import { endpointSlices } from './endpoint-slices.ts'
import { nodes } from './nodes.ts'
import { persistentVolumeClaims } from './persistent-volume-claims.ts'
import { secrets } from './secrets.ts'
import { serviceAccounts } from './service-accounts.ts'
import { services } from './services.ts'

/** The smallest unit that runs. */
export const pods: ResourceDefinition<Pod> = defineResource<Pod>('', 'v1', 'pods', {
  shortNames: ['po'],
  categories: ['all'],
  selectableFields: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  columns: [
    column('Ready', (pod: Pod) => podSummary(pod).ready, {
      description: 'The aggregate readiness state of this pod for accepting traffic.',
    }),
    column('Status', (pod: Pod) => podSummary(pod).status, {
      description: 'The aggregate status of the containers in this pod.',
    }),
    column('Restarts', (pod: Pod, nowMs) => restartsText(podSummary(pod), nowMs), {
      description:
        'The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.',
    }),
    ageColumn,
    column('IP', (pod: Pod) => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '<none>', { wide: true }),
    column('Node', (pod: Pod) => pod.spec?.nodeName || '<none>', { wide: true }),
    column('Nominated Node', (pod: Pod) => pod.status?.nominatedNodeName || '<none>', { wide: true }),
    column('Readiness Gates', readinessGates, { wide: true }),
  ],
  edges: {
    node: { to: () => nodes, by: 'name', path: 'spec.nodeName' },
    serviceAccount: { to: () => serviceAccounts, by: 'name', path: 'spec.serviceAccountName' },
    services: { to: () => services, by: 'selectedBy', path: 'spec.selector' },
    configMaps: { to: () => configMaps, by: 'name', path: 'spec.volumes.configMap.name' },
    secrets: { to: () => secrets, by: 'name', path: 'spec.volumes.secret.secretName' },
    volumeClaims: {
      to: () => persistentVolumeClaims,
      by: 'name',
      path: 'spec.volumes.persistentVolumeClaim.claimName',
    },
    endpointSlices: { to: () => endpointSlices, by: 'namedBy', path: 'endpoints.targetRef.name' },
  },
  strategy: podStrategy,
})

/** What `kubectl get pods` says of a pod: the rules of kube-apiserver's `printPod`. */
export interface PodSummary {
  readonly ready: string
  readonly status: string
  readonly restarts: number
  /** Milliseconds since 1970 of the last restart; NaN without one. */
  readonly lastRestartMs: number
}

/** Sums a pod up in the words that kubectl users know: `Running`, `Init:0/1`, `CrashLoopBackOff`, `Terminating` … */
export function podSummary(pod: Pod): PodSummary {
  const inits = summarizeInit(pod)
  const main = inits.stopped
    ? { status: inits.status, restarts: inits.restarts, lastRestartMs: inits.lastRestartMs, ready: 0 }
    : summarizeMain(pod, inits.status, inits.sidecarRestarts, inits.lastSidecarRestartMs)
  const total = (pod.spec?.containers?.length ?? 0) + inits.sidecars
  let status = main.status
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (pod.status?.reason === 'NodeLost') status = 'Unknown'
    else if (!isTerminal(pod)) status = 'Terminating'
  }
  return {
    ready: `${main.ready + inits.readySidecars}/${total}`,
    status,
    restarts: main.restarts,
    lastRestartMs: main.lastRestartMs,
  }
}

const isTerminal = (pod: Pod): boolean => pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded'

function baseStatus(pod: Pod): string {
  const scheduled = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled')
  if (pod.status?.reason) return pod.status.reason
  return scheduled?.reason === 'SchedulingGated' ? 'SchedulingGated' : (pod.status?.phase ?? '')
}

const finishedMs = (status: ContainerStatus): number => parseTime(status.lastState?.terminated?.finishedAt)
const later = (a: number, b: number): number => (Number.isNaN(a) || b > a ? b : a)

function exitText(terminated: { reason?: string; signal?: number; exitCode: number }): string {
  if (terminated.reason) return terminated.reason
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`
}

function summarizeInit(pod: Pod) {
  const specs = new Map<string, Container>(
    (pod.spec?.initContainers ?? []).map((container) => [container.name, container]),
  )
  const sidecar = (name: string): boolean => specs.get(name)?.restartPolicy === 'Always'
  const result = {
    status: baseStatus(pod),
    stopped: false,
    restarts: 0,
    sidecarRestarts: 0,
    lastRestartMs: Number.NaN,
    lastSidecarRestartMs: Number.NaN,
    sidecars: [...specs.keys()].filter(sidecar).length,
    readySidecars: 0,
  }
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    result.restarts += status.restartCount
    result.lastRestartMs = later(result.lastRestartMs, finishedMs(status))
    if (sidecar(status.name)) {
      result.sidecarRestarts += status.restartCount
      result.lastSidecarRestartMs = later(result.lastSidecarRestartMs, finishedMs(status))
    }
    const { terminated, waiting } = status.state ?? {}
    if (terminated !== undefined && terminated.exitCode === 0) continue
    if (sidecar(status.name) && status.started === true) {
      if (status.ready) result.readySidecars++
      continue
    }
    if (terminated !== undefined) result.status = `Init:${exitText(terminated)}`
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') result.status = `Init:${waiting.reason}`
    else result.status = `Init:${index}/${specs.size}`
    result.stopped = true
    break
  }
  if (
    result.stopped &&
    pod.status?.conditions?.some((condition) => condition.type === 'Initialized' && condition.status === 'True') ===
      true
  )
    result.stopped = false
  return result
}

function summarizeMain(pod: Pod, initial: string, sidecarRestarts: number, lastSidecarRestartMs: number) {
  let status = initial
  let restarts = sidecarRestarts
  let lastRestartMs = lastSidecarRestartMs
  let ready = 0
  let running = false
  for (const container of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    restarts += container.restartCount
    lastRestartMs = later(lastRestartMs, finishedMs(container))
    const { waiting, terminated } = container.state ?? {}
    if (waiting?.reason) status = waiting.reason
    else if (terminated !== undefined) status = exitText(terminated)
    else if (container.ready && container.state?.running !== undefined) {
      running = true
      ready++
    }
  }
  if (status === 'Completed' && running) {
    const isReady =
      pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true
    status = isReady ? 'Running' : 'NotReady'
  }
  return { status, restarts, lastRestartMs, ready }
}

function restartsText({ restarts, lastRestartMs }: PodSummary, nowMs: number): string {
  return restarts === 0 || Number.isNaN(lastRestartMs)
    ? String(restarts)
    : `${restarts} (${humanDuration(nowMs - lastRestartMs)} ago)`
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? []
  if (gates.length === 0) return '<none>'
  const met = gates.filter(
    (gate) =>
      pod.status?.conditions?.some(
        (condition) => condition.type === gate.conditionType && condition.status === 'True',
      ) === true,
  )
  return `${met.length}/${gates.length}`
}
