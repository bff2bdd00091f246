import type { DaemonSet, Pod } from '@binnacle/resources'
import { podFromTemplate } from '../pod-template.ts'
import { revisionLabel } from '../revision-history.ts'
import { withDaemonTolerations } from './node-fit.ts'

/** How the pods of a DaemonSet look (kube-controller-manager `daemon/util`). */

const generationAnnotation = 'deprecated.daemonset.template.generation'
const generationLabel = 'pod-template-generation'

/** The generation of the template that the API server counts; undefined when the annotation does not say. */
function templateGeneration(set: DaemonSet): string | undefined {
  const text = set.metadata.annotations?.[generationAnnotation]
  return text !== undefined && /^-?\d+$/.test(text) ? String(Number(text)) : undefined
}

/** A pod for one node: the scheduler binds it, and node affinity leaves it no choice. */
export function podOn(set: DaemonSet, nodeName: string, hash: string): Pod {
  const pod = podFromTemplate(set, set.spec?.template)
  const generation = templateGeneration(set)
  const labels = {
    ...pod.metadata.labels,
    ...(generation === undefined ? {} : { [generationLabel]: generation }),
    [revisionLabel]: hash,
  }
  const { affinity } = pod.spec ?? {}
  const onNode = { nodeSelectorTerms: [{ matchFields: [nameIs(nodeName)] }] }
  const spec = {
    ...pod.spec,
    tolerations: withDaemonTolerations(pod.spec),
    affinity: {
      ...affinity,
      // What the template requires of nodes has chosen this one already.
      nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: onNode },
    },
  } as NonNullable<Pod['spec']>
  return { ...pod, metadata: { ...pod.metadata, labels }, spec }
}

const nameIs = (nodeName: string) => ({ key: 'metadata.name', operator: 'In', values: [nodeName] })

/** The node that a pod is on or is meant for (`GetTargetNodeName`); undefined when it names none. */
export function targetNodeOf(pod: Pod): string | undefined {
  if (pod.spec?.nodeName) return pod.spec.nodeName
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? []) {
    for (const { key, operator, values = [] } of matchFields)
      if (key === 'metadata.name' && operator === 'In' && values.length === 1) return values[0]
  }
  return undefined
}

/** True for a pod of the set's present template. */
export function isUpdated(set: DaemonSet, pod: Pod, hash: string): boolean {
  const generation = templateGeneration(set)
  return (
    pod.metadata.labels?.[revisionLabel] === hash ||
    (generation !== undefined && pod.metadata.labels?.[generationLabel] === generation)
  )
}
