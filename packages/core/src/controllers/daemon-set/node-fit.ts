import type { DaemonSet, Node, PodSpec, Toleration } from '@binnacle/resources'
import { PlacementRules, tolerates } from '../../scheduler/placement-rules.ts'

/** On which nodes a DaemonSet's pods belong (kube-controller-manager `NodeShouldRunDaemonPod`). */

/** Whether a node should get a pod of a set, and whether one that is there may stay. */
export interface NodeFit {
  readonly shouldRun: boolean
  readonly mayStay: boolean
}

const noSchedule = ['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable']

function daemonTolerations(spec: PodSpec | undefined): Toleration[] {
  const tolerate = (name: string, effect: string): Toleration => ({
    key: `node.kubernetes.io/${name}`,
    operator: 'Exists',
    effect,
  })
  return [
    // A daemon's work goes on while its node is not well.
    tolerate('not-ready', 'NoExecute'),
    tolerate('unreachable', 'NoExecute'),
    ...noSchedule.map((name) => tolerate(name, 'NoSchedule')),
    ...(spec?.hostNetwork === true ? [tolerate('network-unavailable', 'NoSchedule')] : []),
  ]
}

/** A template's tolerations and those that every daemon has (`AddOrUpdateDaemonPodTolerations`). */
export function withDaemonTolerations(spec: PodSpec | undefined): Toleration[] {
  const isSame = (a: Toleration, b: Toleration): boolean =>
    (a.key ?? '') === (b.key ?? '') &&
    (a.effect ?? '') === (b.effect ?? '') &&
    (a.operator ?? '') === (b.operator ?? '') &&
    (a.value ?? '') === (b.value ?? '')
  const added = daemonTolerations(spec)
  const own = (spec?.tolerations ?? []).map(
    (toleration) => added.find((each) => isSame(each, toleration)) ?? toleration,
  )
  return [...own, ...added.filter((toleration) => !own.includes(toleration))]
}

/** Judges nodes for a set. */
export function nodeFitOf({ spec }: DaemonSet): (node: Node) => NodeFit {
  const podSpec = spec?.template.spec
  const tolerations = withDaemonTolerations(podSpec)
  const rules = new PlacementRules({ spec: { ...podSpec, containers: [], tolerations } })
  return (node) => {
    const isNamed = !podSpec?.nodeName || podSpec.nodeName === node.metadata.name
    if (!isNamed || !rules.admits(node)) return { shouldRun: false, mayStay: false }
    const untolerated = (node.spec?.taints ?? []).filter(
      (taint) => !tolerations.some((toleration) => tolerates(toleration, taint)),
    )
    const has = (effect: string): boolean => untolerated.some((taint) => taint.effect === effect)
    return { shouldRun: !has('NoExecute') && !has('NoSchedule'), mayStay: !has('NoExecute') }
  }
}
