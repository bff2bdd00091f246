import { withCondition } from '@binnacle/apimachinery'
import type { Namespace } from '@binnacle/resources'

/** What is left of a namespace's content. */
export interface Left {
  /** Objects of each resource, by `plural.group`. */
  readonly remaining: ReadonlyMap<string, number>
  /** Objects that each finalizer holds. */
  readonly finalizers: ReadonlyMap<string, number>
  /** Why content could not be listed or deleted. */
  readonly failures: readonly string[]
}

type NamespaceCondition = NonNullable<NonNullable<Namespace['status']>['conditions']>[number]

/** The conditions that say how far the deletion of a namespace is (`status_condition_utils.go`). */
export function contentConditions(namespace: Namespace, left: Left, nowMs: number): readonly NamespaceCondition[] {
  const { remaining, finalizers, failures } = left
  const wanted = [
    // Kinds are known here, not asked for: their discovery cannot fail.
    well('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'),
    well(
      'NamespaceDeletionGroupVersionParsingFailure',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    failures.length > 0
      ? ill(
          'NamespaceDeletionContentFailure',
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${failures.length} remaining: ${aggregate(failures)}`,
        )
      : well(
          'NamespaceDeletionContentFailure',
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        ),
    remaining.size > 0
      ? ill(
          'NamespaceContentRemaining',
          'SomeResourcesRemain',
          `Some resources are remaining: ${listed(remaining, 'has')}`,
        )
      : well('NamespaceContentRemaining', 'ContentRemoved', 'All content successfully removed'),
    finalizers.size > 0
      ? ill(
          'NamespaceFinalizersRemaining',
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${listed(finalizers, 'in')}`,
        )
      : well('NamespaceFinalizersRemaining', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'),
  ]
  let conditions: readonly NamespaceCondition[] = namespace.status?.conditions ?? []
  for (const condition of wanted) conditions = withCondition(conditions, condition, nowMs)
  return conditions
}

const well = (type: string, reason: string, message: string) => ({ type, status: 'False', reason, message })
const ill = (type: string, reason: string, message: string) => ({ type, status: 'True', reason, message })

// Several errors as apimachinery words them together: sorted, in brackets.
function aggregate(failures: readonly string[]): string {
  const different = [...new Set(failures)].sort()
  return different.length === 1 ? (different[0] as string) : `[${different.join(', ')}]`
}

function listed(counts: ReadonlyMap<string, number>, preposition: 'has' | 'in'): string {
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${preposition} ${count} resource instances`)
    .join(', ')
}
