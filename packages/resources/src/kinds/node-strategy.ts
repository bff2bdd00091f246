import {
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  qualifiedNameProblems,
  required,
} from '@binnacle/apimachinery'
import type { Node } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'
import { canonicalize } from './pod-spec-defaults.ts'

/** Rules of Nodes. */
export const nodeStrategy: Strategy<Node> = {
  applyDefaults(node) {
    node.spec ??= {}
    const { status } = node
    if (status === undefined) return
    if (status.capacity !== undefined) canonicalize(status.capacity)
    if (status.allocatable === undefined && status.capacity !== undefined) status.allocatable = { ...status.capacity }
    if (status.allocatable !== undefined) canonicalize(status.allocatable)
  },
  validate: taintErrors,
  validateUpdate(node, old) {
    const errors: FieldError[] = []
    if (old.spec?.podCIDR && node.spec?.podCIDR !== old.spec.podCIDR)
      errors.push(forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
    if (old.spec?.providerID && node.spec?.providerID !== old.spec.providerID)
      errors.push(forbiddenField('spec.providerID', 'node updates may not change providerID except from "" to valid'))
    return errors
  },
}

function taintErrors(node: Node): FieldError[] {
  const seen = new Set<string>()
  return (node.spec?.taints ?? []).flatMap((taint, index) => {
    const path = `spec.taints[${index}]`
    const errors: FieldError[] = qualifiedNameProblems(taint.key).map((problem) =>
      invalidValue(`${path}.key`, taint.key, problem),
    )
    if (!taint.effect) errors.push(required(`${path}.effect`))
    else if (!['NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(taint.effect))
      errors.push(notSupported(`${path}.effect`, taint.effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']))
    const identity = `${taint.key}:${taint.effect}`
    if (seen.has(identity))
      errors.push({
        type: 'FieldValueDuplicate',
        field: path,
        message: `Duplicate value: taints must be unique by key and effect pair`,
      })
    seen.add(identity)
    return errors
  })
}
