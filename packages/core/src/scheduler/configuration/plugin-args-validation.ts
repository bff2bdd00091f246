import {
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  qualifiedNameProblems,
  required,
} from '@binnacle/apimachinery'
import type { NodeSelectorTerm, TopologySpreadConstraint } from '../scheduled-objects.ts'
import type {
  NodeAffinityArgs,
  NodeResourcesBalancedAllocationArgs,
  NodeResourcesFitArgs,
  PluginArgs,
  PodTopologySpreadArgs,
  UtilizationShapePoint,
} from '../plugin-args.ts'

/** The rules of kube-scheduler's `validation_pluginargs.go`, in its words. */

const labelName = (field: string, value: string): FieldError[] =>
  qualifiedNameProblems(value).map((problem) => invalidValue(field, value, problem))

function outside(field: string, value: number, min: number, max: number, range: string): FieldError[] {
  return value < min || value > max ? [invalidValue(field, value, `not in valid range ${range}`)] : []
}

/** What is wrong with the arguments of a plugin, its defaults filled in; `path` is theirs. */
export const validatePluginArgs: {
  readonly [P in keyof PluginArgs]: (path: string, args: PluginArgs[P]) => FieldError[]
} = {
  DefaultPreemption(path, { minCandidateNodesPercentage: percentage, minCandidateNodesAbsolute: absolute }) {
    const [percentagePath, absolutePath] = [`${path}.minCandidateNodesPercentage`, `${path}.minCandidateNodesAbsolute`]
    const zero = (field: string, other: string): FieldError =>
      invalidValue(field, 0, `cannot be zero at the same time as ${other}`)
    return [
      ...outside(percentagePath, percentage, 0, 100, '[0, 100]'),
      ...outside(absolutePath, absolute, 0, Number.POSITIVE_INFINITY, '[0, inf)'),
      ...(percentage === 0 && absolute === 0
        ? [zero(percentagePath, 'minCandidateNodesAbsolute'), zero(absolutePath, 'minCandidateNodesPercentage')]
        : []),
    ]
  },
  InterPodAffinity: (path, { hardPodAffinityWeight }) =>
    outside(`${path}.hardPodAffinityWeight`, hardPodAffinityWeight, 0, 100, '[0, 100]'),
  NodeAffinity: nodeAffinityErrors,
  NodeResourcesBalancedAllocation: balancedAllocationErrors,
  NodeResourcesFit: resourcesFitErrors,
  PodTopologySpread: topologySpreadErrors,
  VolumeBinding: (path, { bindTimeoutSeconds }) =>
    bindTimeoutSeconds < 0
      ? [
          invalidValue(
            `${path}.bindTimeoutSeconds`,
            bindTimeoutSeconds,
            'invalid BindTimeoutSeconds, should not be a negative value',
          ),
        ]
      : [],
}

function nodeAffinityErrors(path: string, { addedAffinity }: NodeAffinityArgs): FieldError[] {
  const at = `${path}.addedAffinity`
  const required = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const preferred = addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  return [
    ...required.flatMap((term, i) =>
      termErrors(`${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`, term),
    ),
    ...preferred.flatMap(({ preference }, i) =>
      termErrors(`${at}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`, preference ?? {}),
    ),
  ]
}

/** How many values an operator takes, and what is said of another number. */
const valueRules: Readonly<Record<string, { fits(count: number): boolean; message: string }>> = {
  In: { fits: (count) => count > 0, message: "for 'in', 'notin' operators, values set can't be empty" },
  NotIn: { fits: (count) => count > 0, message: "for 'in', 'notin' operators, values set can't be empty" },
  Exists: { fits: (count) => count === 0, message: 'values set must be empty for exists and does not exist' },
  DoesNotExist: { fits: (count) => count === 0, message: 'values set must be empty for exists and does not exist' },
  Gt: { fits: (count) => count === 1, message: "for 'Gt', 'Lt' operators, exactly one value is required" },
  Lt: { fits: (count) => count === 1, message: "for 'Gt', 'Lt' operators, exactly one value is required" },
}

function termErrors(path: string, { matchExpressions = [], matchFields = [] }: NodeSelectorTerm): FieldError[] {
  const expressions = matchExpressions.flatMap(({ key = '', operator = '', values = [] }, i) => {
    const at = `${path}.matchExpressions[${i}]`
    const rule = valueRules[operator]
    if (rule === undefined) return [invalidValue(`${at}.operator`, operator, 'not a valid selector operator')]
    return [
      ...labelName(`${at}.key`, key),
      ...(rule.fits(values.length) ? [] : [invalidValue(`${at}.values`, values, rule.message)]),
    ]
  })
  const fields = matchFields.flatMap(({ key = '', operator = '', values = [] }, i) => {
    const at = `${path}.matchFields[${i}]`
    const isOperator = operator === 'In' || operator === 'NotIn'
    return [
      ...(key === 'metadata.name' ? [] : [invalidValue(`${at}.key`, key, 'not a valid field selector key')]),
      ...(isOperator ? [] : [invalidValue(`${at}.operator`, operator, 'not a valid selector operator')]),
      ...(values.length === 1 ? [] : [required(`${at}.values`, 'must have one element')]),
    ]
  })
  return [...expressions, ...fields]
}

function balancedAllocationErrors(path: string, { resources }: NodeResourcesBalancedAllocationArgs): FieldError[] {
  return resources.flatMap(({ name, weight }, i) => {
    const at = `${path}.resources[${i}]`
    const isRepeated = resources.slice(0, i).some((other) => other.name === name)
    return [
      ...(isRepeated ? [duplicate(`${at}.name`, name)] : []),
      ...(weight === 1 ? [] : [invalidValue(`${at}.weight`, weight, 'must be 1')]),
    ]
  })
}

const strategies = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio']

function resourcesFitErrors(path: string, args: NodeResourcesFitArgs): FieldError[] {
  const { ignoredResources, ignoredResourceGroups, scoringStrategy } = args
  const { type, resources, requestedToCapacityRatio: ratio } = scoringStrategy
  const at = `${path}.scoringStrategy`
  const isRatio = type === 'RequestedToCapacityRatio'
  return [
    ...ignoredResources.flatMap((name, i) => labelName(`${path}.ignoredResources[${i}]`, name)),
    ...ignoredResourceGroups.flatMap((group, i) => {
      const field = `${path}.ignoredResourceGroups[${i}]`
      const slash = group.includes('/') ? [invalidValue(field, group, "resource group name can't contain '/'")] : []
      return [...slash, ...labelName(field, group)]
    }),
    ...(strategies.includes(type) ? [] : [notSupported(`${at}.type`, type, strategies)]),
    ...resources.flatMap(({ name, weight }, i) =>
      weight <= 0 || weight > 100
        ? [
            invalidValue(
              `${at}.resources[${i}].weight`,
              weight,
              `resource weight of ${name} not in valid range (0, 100]`,
            ),
          ]
        : [],
    ),
    ...(isRatio && ratio === undefined
      ? [required(`${at}.requestedToCapacityRatio`, 'must be specified when type is RequestedToCapacityRatio')]
      : []),
    ...(isRatio && ratio !== undefined ? shapeErrors(`${at}.requestedToCapacityRatio.shape`, ratio.shape) : []),
    ...(!isRatio && ratio !== undefined
      ? [forbiddenField(`${at}.requestedToCapacityRatio`, 'must be nil when type is not RequestedToCapacityRatio')]
      : []),
  ]
}

function shapeErrors(path: string, shape: readonly UtilizationShapePoint[]): FieldError[] {
  if (shape.length === 0) return [required(path, 'at least one point must be specified')]
  const falling = shape.findIndex((point, i) => i > 0 && (shape[i - 1]?.utilization ?? 0) >= point.utilization)
  return [
    ...(falling < 0
      ? []
      : [
          invalidValue(
            `${path}[${falling}].utilization`,
            shape[falling]?.utilization,
            'values must be sorted in increasing order',
          ),
        ]),
    ...shape.flatMap(({ utilization, score }, i) => [
      ...outside(`${path}[${i}].utilization`, utilization, 0, 100, '[0, 100]'),
      ...outside(`${path}[${i}].score`, score, 0, 10, '[0, 10]'),
    ]),
  ]
}

function topologySpreadErrors(
  path: string,
  { defaultingType, defaultConstraints }: PodTopologySpreadArgs,
): FieldError[] {
  const at = `${path}.defaultingType`
  const types = ['System', 'List']
  return [
    ...(types.includes(defaultingType) ? [] : [notSupported(at, defaultingType, types)]),
    ...(defaultingType === 'System' && defaultConstraints.length > 0
      ? [invalidValue(at, defaultingType, 'when .defaultConstraints are not empty')]
      : []),
    ...defaultConstraints.flatMap((constraint, i) =>
      constraintErrors(`${path}.defaultConstraints[${i}]`, constraint, defaultConstraints.slice(0, i)),
    ),
  ]
}

function constraintErrors(
  path: string,
  constraint: TopologySpreadConstraint,
  before: readonly TopologySpreadConstraint[],
): FieldError[] {
  const { maxSkew = 0, topologyKey = '', whenUnsatisfiable: action = '', labelSelector } = constraint
  const isRepeated = before.some((c) => c.topologyKey === topologyKey && c.whenUnsatisfiable === action)
  return [
    ...(maxSkew > 0 ? [] : [invalidValue(`${path}.maxSkew`, maxSkew, 'not in valid range (0, inf)')]),
    ...(topologyKey === ''
      ? [required(`${path}.topologyKey`, 'can not be empty')]
      : labelName(`${path}.topologyKey`, topologyKey)),
    ...(action === ''
      ? [required(`${path}.whenUnsatisfiable`, 'can not be empty')]
      : ['DoNotSchedule', 'ScheduleAnyway'].includes(action)
        ? []
        : [notSupported(`${path}.whenUnsatisfiable`, action, ['DoNotSchedule', 'ScheduleAnyway'])]),
    ...(labelSelector === undefined
      ? []
      : [
          forbiddenField(
            `${path}.labelSelector`,
            'constraint must not define a selector, as they deduced for each pod',
          ),
        ]),
    ...(isRepeated ? [duplicate(path, `{${topologyKey}, ${action}}`)] : []),
  ]
}
