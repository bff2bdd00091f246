import { formatKey, keyOf, type ObjectKey } from '@binnacle/apimachinery'
import { nodes, type Pod, pods } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { podsOnNode } from '../../pods-on-node.ts'
import { disruptPods } from '../pod-disruption.ts'
import { noExecuteTaints, sufferingSinceMs, toleratedMs } from './plan.ts'

interface Sufferer {
  readonly uid: string
  readonly sinceMs: number
}

/** Pods that will have to go, of each node, by key. */
type Sufferers = Map<string, Map<string, Sufferer>>

/**
 * Deletes pods that do not tolerate a NoExecute taint of their node, or have tolerated it for as long as they may (`taint_eviction.go`).
 */
export function taintEvictionController(): Controller {
  const sufferers: Sufferers = new Map()
  return {
    name: 'taint-eviction',
    reconciles: nodes,
    watches: [{ resource: pods, keysOf: taintedNodeOf }],
    reconcile: (key, context) => reconcile(key, context, sufferers),
  }
}

function taintedNodeOf(pod: Pod, context: ReconcileContext): ObjectKey[] {
  const name = pod.spec?.nodeName
  if (!name) return []
  const node = context.informer(nodes).get({ namespace: '', name })
  return node === undefined || noExecuteTaints(node).length === 0 ? [] : [{ namespace: '', name }]
}

async function reconcile(key: ObjectKey, context: ReconcileContext, sufferers: Sufferers): Promise<Result> {
  // Observe.
  const node = context.informer(nodes).get(key)
  const taints = node === undefined ? [] : noExecuteTaints(node)
  const before = sufferers.get(key.name) ?? new Map<string, Sufferer>()
  if (taints.length === 0) {
    sufferers.delete(key.name)
    for (const text of before.keys()) reprieve(text, before, context)
    return done
  }

  // Decide.
  const after = new Map<string, Sufferer>()
  const victims: Pod[] = []
  let againAtMs = Number.POSITIVE_INFINITY
  for (const pod of podsOnNode(context, key.name)) {
    if (pod.metadata.deletionTimestamp !== undefined) continue
    const mayStayMs = toleratedMs(pod, taints)
    if (mayStayMs === Number.POSITIVE_INFINITY) continue
    const text = formatKey(keyOf(pod))
    const { uid = '' } = pod.metadata
    const known = before.get(text)
    // Where one taint takes the place of another, the time goes on.
    const sinceMs = known?.uid === uid ? known.sinceMs : sufferingSinceMs(pod, taints, context.nowMs())
    after.set(text, { uid, sinceMs })
    if (sinceMs + mayStayMs <= context.nowMs()) victims.push(pod)
    else againAtMs = Math.min(againAtMs, sinceMs + mayStayMs)
  }
  for (const text of before.keys()) if (!after.has(text)) reprieve(text, before, context)
  sufferers.set(key.name, after)

  // Act.
  for (const pod of victims)
    context.events.record(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${formatKey(keyOf(pod))}`)
  await disruptPods(context, victims, {
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
  })
  return againAtMs === Number.POSITIVE_INFINITY ? done : { requeueAfterMs: againAtMs - context.nowMs() }
}

// The pod no longer has to go, unless it has gone already.
function reprieve(text: string, before: ReadonlyMap<string, Sufferer>, context: ReconcileContext): void {
  const [namespace = '', name = ''] = text.split('/')
  const pod = context.informer(pods).get({ namespace, name })
  if (pod === undefined || pod.metadata.uid !== before.get(text)?.uid) return
  if (pod.metadata.deletionTimestamp !== undefined) return
  context.events.record(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${text}`)
}
