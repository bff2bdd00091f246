import { formatTime, isNotFound, type KubernetesObject, type ObjectKey } from '@binnacle/apimachinery'
import type { BatchWrite } from '@binnacle/client'
import { type Lease, leases, type Node, nodes, type Pod, pods } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { isPodReady } from '../../pod-state.ts'
import { podsOnNode } from '../../pods-on-node.ts'
import {
  conditionTaints,
  evictionTaint,
  graceMs,
  hasEvictionTaint,
  plannedLabels,
  plannedTaints,
  readyStatus,
  silentSinceMs,
  unknownConditions,
} from './plan.ts'
import { Zones } from './zones.ts'

const leaseNamespace = 'kube-node-lease'

/** What is remembered of nodes between two looks. */
interface Memory {
  readonly zones: Zones
  /** When each node was last heard of, by the controller's own clock: those of nodes may be wrong. */
  readonly heardMs: Map<string, number>
  /** Nodes that events have announced, with their readiness then. */
  readonly known: Map<string, { readonly reference: KubernetesObject; ready: string | undefined }>
}

/**
 * Watches over nodes (`node_lifecycle_controller.go`): a node that renews neither lease nor status becomes Unknown; what its conditions say, its
 * taints repeat; its pods stop being ready; and pods are driven away from it, one node after another, slower where a whole zone is in trouble.
 */
export function nodeLifecycleController(): Controller {
  const memory: Memory = { zones: new Zones(), heardMs: new Map(), known: new Map() }
  return {
    name: 'nodelifecycle',
    component: 'node-controller',
    reconciles: nodes,
    watches: [
      // The state of a zone concerns all of its nodes.
      { resource: nodes, keysOf: () => memory.zones.takeDisturbed().map((name) => ({ namespace: '', name })) },
      { resource: pods, keysOf: nodeOfNewPod },
    ],
    reads: [leases],
    prepare: (context) => listen(memory, context),
    reconcile: (key, context) => reconcile(key, context, memory),
  }
}

// A pod that comes to a node that is not ready is not ready either, whatever it says.
function nodeOfNewPod(pod: Pod, context: ReconcileContext, old: Pod | undefined): ObjectKey[] {
  const name = pod.spec?.nodeName
  if (!name || old?.spec?.nodeName === name) return []
  const node = context.informer(nodes).get({ namespace: '', name })
  return node === undefined || readyStatus(node) === 'True' ? [] : [{ namespace: '', name }]
}

function listen({ zones, heardMs }: Memory, context: ReconcileContext): void {
  // Nobody could be heard of while no zone was reached: everybody gets the whole grace period anew.
  const begin = (isBack: boolean): void => {
    if (isBack) for (const name of heardMs.keys()) heardMs.set(name, context.nowMs())
  }
  context.informer(nodes).addHandler({
    onAdd(node) {
      heardMs.set(node.metadata.name, silentSinceMs(node, context.nowMs()))
      begin(zones.put(node))
    },
    onUpdate(node, old) {
      if (hasReported(node, old)) heardMs.set(node.metadata.name, context.nowMs())
      begin(zones.put(node))
    },
    onDelete({ metadata: { name } }) {
      heardMs.delete(name)
      begin(zones.remove(name))
    },
  })
  const renewed = (lease: Lease, old?: Lease): void => {
    if (lease.metadata.namespace !== leaseNamespace || lease.spec?.renewTime === old?.spec?.renewTime) return
    if (heardMs.has(lease.metadata.name)) heardMs.set(lease.metadata.name, context.nowMs())
  }
  context.informer(leases).addHandler({ onAdd: renewed, onUpdate: renewed })
}

// The controller's own writes change the status too, but no heartbeat; and no node calls itself Unknown.
function hasReported(node: Node, old: Node): boolean {
  const heartbeat = ({ status }: Node): string | undefined =>
    status?.conditions?.find(({ type }) => type === 'Ready')?.lastHeartbeatTime
  return readyStatus(node) !== 'Unknown' && heartbeat(node) !== heartbeat(old)
}

async function reconcile(key: ObjectKey, context: ReconcileContext, memory: Memory): Promise<Result> {
  // Observe.
  const seen = context.informer(nodes).get(key)
  announce(key.name, seen, memory, context)
  if (seen === undefined) return done
  const nowMs = context.nowMs()
  const heardMs = memory.heardMs.get(key.name) ?? silentSinceMs(seen, nowMs)
  const silentInMs = heardMs + graceMs(seen) - nowMs

  // Decide and act.
  const node = silentInMs > 0 ? seen : await markUnknown(seen, context)
  announce(key.name, node, memory, context)
  const turnInMs = await repeatInTaints(node, memory.zones, context)
  if (readyStatus(node) !== 'True') await markPodsNotReady(node, context)

  // Come back when the node falls silent, or when it is its turn to lose its pods.
  const againAfterMs = Math.min(silentInMs > 0 ? silentInMs : Number.POSITIVE_INFINITY, turnInMs)
  return againAfterMs === Number.POSITIVE_INFINITY ? done : { requeueAfterMs: againAfterMs }
}

function announce(name: string, node: Node | undefined, { known }: Memory, { events }: ReconcileContext): void {
  const before = known.get(name)
  const tell = (of: KubernetesObject, reason: string, text: string): void =>
    events.record(of, 'Normal', reason, `Node ${name} ${text}`)
  if (node === undefined) {
    if (before === undefined) return
    known.delete(name)
    return tell(before.reference, 'RemovingNode', `event: Removing Node ${name} from Controller`)
  }
  const ready = readyStatus(node)
  if (before === undefined) {
    const reference = { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: node.metadata.uid ?? '' } }
    known.set(name, { reference, ready })
    return tell(node, 'RegisteredNode', `event: Registered Node ${name} in Controller`)
  }
  if (before.ready === 'True' && ready !== 'True') tell(node, 'NodeNotReady', 'status is now: NodeNotReady')
  before.ready = ready
}

async function markUnknown(node: Node, context: ReconcileContext): Promise<Node> {
  const conditions = unknownConditions(node, context.nowMs())
  if (conditions === undefined) return node
  return await context.client.updateStatus(nodes, { ...node, status: { ...node.status, conditions } })
}

/** Gives how long the node has to wait for its turn to lose its pods, in milliseconds. */
async function repeatInTaints(node: Node, zones: Zones, context: ReconcileContext): Promise<number> {
  let noExecute = zones.allDisrupted ? undefined : evictionTaint(node)
  let turnInMs = Number.POSITIVE_INFINITY
  // One taint is exchanged for the other at once; the first waits for its turn.
  if (noExecute !== undefined && !hasEvictionTaint(node)) {
    const waitMs = zones.takeTurn(node.metadata.name, context.nowMs())
    if (waitMs > 0) [noExecute, turnInMs] = [undefined, waitMs]
  }
  const taints = plannedTaints(node, { noSchedule: conditionTaints(node), noExecute }, context.nowMs())
  const labels = plannedLabels(node)
  if (taints === undefined && labels === undefined) return turnInMs
  const next: Node = { ...node, metadata: { ...node.metadata }, spec: { ...node.spec } }
  if (labels !== undefined) next.metadata.labels = labels
  if (taints !== undefined) {
    const { taints: _before, ...others } = next.spec ?? {}
    // None is no list, as everywhere in Kubernetes.
    next.spec = taints.length === 0 ? others : { ...others, taints }
  }
  await context.client.update(nodes, next)
  return turnInMs
}

async function markPodsNotReady(node: Node, context: ReconcileContext): Promise<void> {
  const marked = podsOnNode(context, node.metadata.name)
    .filter(isPodReady)
    .map((pod) => ({ pod, write: notReadyWrite(pod, context.nowMs()) }))
  if (marked.length === 0) return
  const results = await context.client.writeAll(
    marked.map(({ write }) => write),
    { atomic: false },
  )
  let failed: Error | undefined
  for (const [index, result] of results.entries()) {
    if ('object' in result) context.events.record(result.object, 'Warning', 'NodeNotReady', 'Node is not ready')
    else if (!isNotFound(result.error))
      failed ??= new Error(`pod ${marked[index]?.pod.metadata.name}`, { cause: result.error })
  }
  if (failed !== undefined) throw failed
}

// An update, not a patch: it fails when the pod has changed meanwhile, which may be that its node is back.
function notReadyWrite(pod: Pod, nowMs: number): BatchWrite {
  const { generation } = pod.metadata
  const observed = generation === undefined ? {} : { observedGeneration: generation }
  const conditions = (pod.status?.conditions ?? []).map((condition) =>
    condition.type === 'Ready'
      ? { ...condition, status: 'False', lastTransitionTime: formatTime(nowMs), ...observed }
      : condition,
  )
  return {
    verb: 'update',
    resource: pods,
    object: { ...pod, status: { ...pod.status, conditions } } as Pod,
    subresource: 'status',
  }
}
