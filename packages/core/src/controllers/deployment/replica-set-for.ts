import { controllerReference, semanticEqual, shortHash } from '@binnacle/apimachinery'
import type { Deployment, PodTemplateSpec, ReplicaSet } from '@binnacle/resources'
import {
  byAge,
  desiredAnnotation,
  hashLabel,
  maxAnnotation,
  newReplicaSetSize,
  replicasOf,
  revisionAnnotation,
  revisionOf,
  rollingBounds,
} from './plan.ts'

/** How a Deployment's ReplicaSets look: which one is the newest, how a new one is made, which annotations they carry. */

// Annotations of the Deployment that are its own.
const ownAnnotations = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  'deployment.kubernetes.io/revision-history',
  desiredAnnotation,
  maxAnnotation,
  'deprecated.deployment.rollback.to',
])

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  const { [hashLabel]: _hash, ...labels } = template?.metadata?.labels ?? {}
  return { ...template, metadata: { ...template?.metadata, labels } }
}

/** True when a ReplicaSet was made from the Deployment's present template. */
export function hasTemplateOf(replicaSet: ReplicaSet, deployment: Deployment): boolean {
  return semanticEqual(withoutHash(replicaSet.spec?.template), withoutHash(deployment.spec?.template))
}

/** The ReplicaSet of the present template: the oldest of several. */
export function findNewReplicaSet(deployment: Deployment, all: readonly ReplicaSet[]): ReplicaSet | undefined {
  return byAge(all).find((set) => hasTemplateOf(set, deployment))
}

/** The revision that the newest ReplicaSet has to have: one above all others. */
export function nextRevision(oldSets: readonly ReplicaSet[]): number {
  return Math.max(0, ...oldSets.map(revisionOf)) + 1
}

/** Annotations of the newest ReplicaSet. Its revision only grows. */
export function annotationsFor(
  deployment: Deployment,
  existing: Readonly<Record<string, string>>,
  revision: number,
): Record<string, string> {
  const copied = Object.fromEntries(
    Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !ownAnnotations.has(key)),
  )
  const before = Number(existing[revisionAnnotation] ?? 0) || 0
  const history =
    before > 0 && before < revision
      ? {
          'deployment.kubernetes.io/revision-history': [
            existing['deployment.kubernetes.io/revision-history'],
            String(before),
          ]
            .filter(Boolean)
            .join(','),
        }
      : {}
  return { ...existing, ...copied, ...history, [revisionAnnotation]: String(Math.max(before, revision)) }
}

/** Annotations that remember the sizes for which a ReplicaSet was sized. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  return {
    [desiredAnnotation]: String(replicasOf(deployment)),
    [maxAnnotation]: String(replicasOf(deployment) + rollingBounds(deployment).surge),
  }
}

/** A new ReplicaSet for the present template. */
export function makeReplicaSet(deployment: Deployment, oldSets: readonly ReplicaSet[]): ReplicaSet {
  const template = deployment.spec?.template
  const hash = shortHash(withoutHash(template), deployment.status?.collisionCount ?? 0)
  const labels = { ...template?.metadata?.labels, [hashLabel]: hash }
  const { selector } = deployment.spec ?? {}
  const { namespace = '', name } = deployment.metadata
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name.slice(0, 252 - hash.length)}-${hash}`,
      namespace,
      labels,
      annotations: { ...annotationsFor(deployment, {}, nextRevision(oldSets)), ...sizeAnnotations(deployment) },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas: newReplicaSetSize(deployment, oldSets, 0),
      ...(deployment.spec?.minReadySeconds === undefined ? {} : { minReadySeconds: deployment.spec.minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [hashLabel]: hash } },
      template: {
        ...template,
        metadata: { ...template?.metadata, labels } as NonNullable<PodTemplateSpec['metadata']>,
      },
    },
  }
}
