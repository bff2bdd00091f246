import { forbiddenField, invalidValue, required } from '@binnacle/apimachinery'
import type { PodGroup } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'

/** A group has one scheduling policy, and a gang is of at least one pod. */
export const podGroupStrategy: Strategy<PodGroup> = {
  validate({ spec: { schedulingPolicy } }) {
    const path = 'spec.schedulingPolicy'
    const { basic, gang } = schedulingPolicy
    if (basic === undefined && gang === undefined) return [required(path, 'must specify one of: `basic`, `gang`')]
    if (basic !== undefined && gang !== undefined)
      return [forbiddenField(path, 'may not specify more than one of: `basic`, `gang`')]
    const minCount = gang?.minCount ?? 1
    return minCount >= 1 ? [] : [invalidValue(`${path}.gang.minCount`, minCount, 'must be greater than or equal to 1')]
  },
}
