import {
  canonicalJson,
  controllerReference,
  parseTime,
  selectorFromLabelSelector,
  semanticEqual,
} from '@binnacle/apimachinery'
import {
  type ControllerRevision,
  controllerRevisions,
  type DaemonSet,
  type PodTemplateSpec,
  type ResourceDefinition,
  type StatefulSet,
} from '@binnacle/resources'
import type { ReconcileContext } from '../controller.ts'
import { claim } from './claim.ts'
import { orphansIn } from './orphans.ts'

/**
 * The past pod templates of StatefulSets and DaemonSets, one ControllerRevision each (kube-controller-manager `pkg/controller/history`). `kubectl
 * rollout history` and `undo` read them: `data` is a strategic merge patch that brings the template back.
 */

/** On a pod: which revision it was made from. */
export const revisionLabel = 'controller-revision-hash'

/** The patch that brings a template back (`getPatch`). Its members are in alphabetical order: `kubectl rollout undo` compares it byte by byte. */
function patchOf(template: PodTemplateSpec | undefined): unknown {
  return JSON.parse(canonicalJson({ spec: { template: { ...template, $patch: 'replace' } } }))
}

/** The template that a revision keeps. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const data = revision.data as { spec?: { template?: PodTemplateSpec & { $patch?: string } } } | undefined
  const { $patch: _directive, ...template } = data?.spec?.template ?? {}
  return template
}

/** True when the revision keeps this very template. */
export function keepsTemplate(revision: ControllerRevision, template: PodTemplateSpec | undefined): boolean {
  return semanticEqual(revision.data, patchOf(template))
}

/** Revisions from the oldest to the newest: by number, then by age, then by name (`byRevision`). */
export function byRevision(revisions: readonly ControllerRevision[]): ControllerRevision[] {
  return revisions.toSorted(
    (a, b) =>
      a.revision - b.revision ||
      parseTime(a.metadata.creationTimestamp) - parseTime(b.metadata.creationTimestamp) ||
      (a.metadata.name < b.metadata.name ? -1 : 1),
  )
}

/** What {@link newRevision} needs to know of a revision. */
export interface RevisionRequest {
  readonly owner: StatefulSet | DaemonSet
  /** Its name, unique for this template. */
  readonly name: string
  /** A label of the revision's own, besides those of the template. */
  readonly hashLabel: Readonly<Record<string, string>>
  readonly revision: number
}

/** A revision of the owner's present template, with its labels and the owner's annotations: change causes among them. */
export function newRevision({ owner, name, hashLabel, revision }: RevisionRequest): ControllerRevision {
  const { annotations, namespace = '' } = owner.metadata
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name,
      namespace,
      labels: { ...owner.spec?.template.metadata?.labels, ...hashLabel },
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      ownerReferences: [controllerReference(owner)],
    },
    data: patchOf(owner.spec?.template),
    revision,
  }
}

/** The owner's revisions; orphans that its selector matches are adopted. */
export async function claimRevisions(
  owner: StatefulSet | DaemonSet,
  ownerResource: ResourceDefinition<any>,
  context: ReconcileContext,
): Promise<ControllerRevision[]> {
  const informer = context.informer(controllerRevisions)
  const selector = selectorFromLabelSelector(owner.spec?.selector)
  const orphans = orphansIn(informer, owner.metadata.namespace ?? '').filter((revision) =>
    selector.matches(revision.metadata.labels),
  )
  const candidates = [...informer.ownedBy(owner.metadata.uid ?? ''), ...orphans]
  return await claim({
    client: context.client,
    owner,
    ownerResource,
    resource: controllerRevisions,
    selector,
    candidates,
    nowMs: context.nowMs(),
  })
}
