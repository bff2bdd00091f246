import type { LabelSelectorSpec, SelectorRequirement } from './scheduled-objects.ts'

/** Labels of an object; undefined is the same as none. */
export type Labels = Readonly<Record<string, string>> | undefined

/** A compiled label selector. `key` is equal for selectors that were written alike. */
export interface LabelMatcher {
  readonly key: string
  /** True when it has no requirement, and so matches everything. */
  readonly isEmpty: boolean
  matches(labels: Labels): boolean
}

/** Compiles requirements that must all hold. */
export function matcherOf(requirements: readonly SelectorRequirement[]): LabelMatcher {
  const sorted = [...requirements].sort((a, b) => compare(requirementKey(a), requirementKey(b)))
  return {
    key: sorted.map(requirementKey).join('&'),
    isEmpty: sorted.length === 0,
    matches: (labels) => sorted.every((r) => matchesRequirement(r, labels)),
  }
}

/** Matches no object at all: what an absent LabelSelector means. */
export const matchesNothing: LabelMatcher = { key: '!', isEmpty: false, matches: () => false }

/** The requirements of a LabelSelector. */
export function requirementsOf(selector: LabelSelectorSpec): SelectorRequirement[] {
  const exact = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'In',
    values: [value],
  }))
  return [...exact, ...(selector.matchExpressions ?? [])]
}

/**
 * Whether labels satisfy one requirement, for label selectors and node selectors alike. As in apimachinery's `labels`, NotIn holds for
 * an absent label, and Gt and Lt hold only between integers.
 */
export function matchesRequirement(requirement: SelectorRequirement, labels: Labels): boolean {
  const present = labels !== undefined && Object.hasOwn(labels, requirement.key)
  const value = present ? (labels[requirement.key] as string) : ''
  switch (requirement.operator) {
    case 'In':
      return present && (requirement.values ?? []).includes(value)
    case 'NotIn':
      return !present || !(requirement.values ?? []).includes(value)
    case 'Exists':
      return present
    case 'DoesNotExist':
      return !present
    case 'Gt':
    case 'Lt':
      return present && comparesAs(requirement, value)
    default:
      return false
  }
}

const integer = /^[+-]?\d+$/

function comparesAs(requirement: SelectorRequirement, value: string): boolean {
  const bound = requirement.values?.length === 1 ? requirement.values[0] : undefined
  if (bound === undefined || !integer.test(bound) || !integer.test(value)) return false
  const difference = BigInt(value.replace('+', '')) - BigInt(bound.replace('+', ''))
  return requirement.operator === 'Gt' ? difference > 0n : difference < 0n
}

function requirementKey(r: SelectorRequirement): string {
  return JSON.stringify([r.key, r.operator, [...(r.values ?? [])].sort(compare)])
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
