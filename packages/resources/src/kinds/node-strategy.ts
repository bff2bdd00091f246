import {
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  isIPv6,
  labelValueProblems,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { Node } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { cidrErrors, labelKeyErrors, oneOf } from './field-checks.ts'
import { amountErrors } from './resource-amounts-validation.ts'
import { canonicalize } from './pod-spec-defaults.ts'
import { taintEffects } from './scheduling-validation.ts'

/** Rules of Nodes. */
export const nodeStrategy: Strategy<Node> = {
  applyDefaults(node) {
    node.spec ??= {}
    const { spec, status } = node
    // The two fields say the same; either may be given.
    if (spec.podCIDR && (spec.podCIDRs ?? []).length === 0) spec.podCIDRs = [spec.podCIDR]
    if (!spec.podCIDR && spec.podCIDRs?.[0] !== undefined) spec.podCIDR = spec.podCIDRs[0]
    if (status === undefined) return
    if (status.capacity !== undefined) canonicalize(status.capacity)
    if (status.allocatable === undefined && status.capacity !== undefined) status.allocatable = { ...status.capacity }
    if (status.allocatable !== undefined) canonicalize(status.allocatable)
  },
  // A node registers itself with its status.
  prepareForCreate() {},
  validate: (node) => [...taintErrors(node), ...amountsErrors(node), ...cidrsErrors(node)],
  validateUpdate(node, old) {
    const errors: FieldError[] = [...repeatedAddressErrors(node)]
    const before = old.spec?.podCIDRs ?? []
    if (before.length > 0 && !semanticEqual(before, node.spec?.podCIDRs))
      errors.push(forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
    if (old.spec?.providerID && node.spec?.providerID !== old.spec.providerID)
      errors.push(forbiddenField('spec.providerID', 'node updates may not change providerID except from "" to valid'))
    if ((node.spec?.externalID ?? '') !== (old.spec?.externalID ?? ''))
      errors.push(forbiddenField('spec.externalID', 'may not be updated'))
    return errors
  },
  validateStatusUpdate: (node) => [...amountsErrors(node), ...repeatedAddressErrors(node)],
}

// The path of these errors is upstream's, although taints are in the spec.
function taintErrors(node: Node): FieldError[] {
  const seen = new Set<string>()
  return (node.spec?.taints ?? []).flatMap((taint, index) => {
    const path = `metadata.taints[${index}]`
    const errors = labelKeyErrors(`${path}.key`, taint.key ?? '')
    const problems = labelValueProblems(taint.value ?? '')
    if (problems.length > 0) errors.push(invalidValue(`${path}.value`, taint.value ?? '', problems.join(';')))
    errors.push(...oneOf(`${path}.effect`, taint.effect, taintEffects))
    const identity = `${taint.key}:${taint.effect}`
    if (seen.has(identity)) {
      const error = duplicate(path, taint)
      errors.push({ ...error, message: `${error.message}: taints must be unique by key and effect pair` })
    }
    seen.add(identity)
    return errors
  })
}

function amountsErrors(node: Node): FieldError[] {
  return (['capacity', 'allocatable'] as const).flatMap((field) =>
    Object.entries(node.status?.[field] ?? {}).flatMap(([name, amount]) =>
      amountErrors(name, amount, `status.${field}.${name}`),
    ),
  )
}

function cidrsErrors(node: Node): FieldError[] {
  const path = 'spec.podCIDRs'
  const ranges = node.spec?.podCIDRs ?? []
  const errors = ranges.flatMap((range, index) => cidrErrors(`${path}[${index}]`, range))
  if (ranges.length > 1) {
    const families = new Set(ranges.map((range) => isIPv6(range.split('/')[0] ?? '')))
    if (families.size < 2 || ranges.length > 2)
      errors.push(invalidValue(path, ranges, 'may specify no more than one CIDR for each IP family'))
    for (const [index, range] of ranges.entries())
      if (ranges.indexOf(range) < index) errors.push(duplicate(`${path}[${index}]`, range))
  }
  return errors
}

function repeatedAddressErrors(node: Node): FieldError[] {
  const addresses = node.status?.addresses ?? []
  return addresses.flatMap((address, index) =>
    addresses.slice(0, index).some((other) => other.type === address.type && other.address === address.address)
      ? [duplicate(`status.addresses[${index}]`, address)]
      : [],
  )
}
