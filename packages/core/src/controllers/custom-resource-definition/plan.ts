import { type Condition, findCondition, jsonEqual, withCondition } from '@binnacle/apimachinery'
import {
  apiApprovalOf,
  type CustomResourceDefinition,
  type CustomResourceDefinitionNames,
  type CustomResourceDefinitionStatus,
} from '@binnacle/resources'

/** The names that others of a group have. */
interface TakenNames {
  readonly resources: ReadonlySet<string>
  readonly kinds: ReadonlySet<string>
}

function takenNames(group: readonly CustomResourceDefinition[]): TakenNames {
  const accepted = group.map(({ status }) => status?.acceptedNames ?? none)
  return {
    resources: new Set(
      accepted.flatMap(({ plural, singular = '', shortNames = [] }) => [plural, singular, ...shortNames]),
    ),
    kinds: new Set(accepted.flatMap(({ kind, listKind = '' }) => [kind, listKind])),
  }
}

const none: CustomResourceDefinitionNames = { plural: '', kind: '' }

/** The names that a definition gets, and what stands in the way of the others. */
function planNames(
  wanted: CustomResourceDefinitionNames,
  had: CustomResourceDefinitionNames,
  taken: TakenNames,
): { readonly names: CustomResourceDefinitionNames; readonly condition: Condition } {
  const problems: { reason: string; message: string }[] = []
  const names: CustomResourceDefinitionNames = { ...had }
  const inUse = (name: string): string => `${JSON.stringify(name)} is already in use`
  const claim = (field: 'plural' | 'singular' | 'kind' | 'listKind', used: ReadonlySet<string>): void => {
    const name = wanted[field] ?? ''
    if (name === (had[field] ?? '') || !used.has(name)) names[field] = name
    else problems.push({ reason: `${field.charAt(0).toUpperCase()}${field.slice(1)}Conflict`, message: inUse(name) })
  }
  claim('plural', taken.resources)
  claim('singular', taken.resources)
  const own = new Set([...(had.shortNames ?? []), had.plural, had.singular ?? ''])
  const lost = (wanted.shortNames ?? []).filter((name) => !own.has(name) && taken.resources.has(name))
  if (lost.length > 0) {
    const texts = lost.map(inUse)
    problems.push({
      reason: 'ShortNamesConflict',
      message: texts.length === 1 ? (texts[0] as string) : `[${texts.join(', ')}]`,
    })
  } else setList(names, 'shortNames', wanted.shortNames)
  claim('kind', taken.kinds)
  claim('listKind', taken.kinds)
  setList(names, 'categories', wanted.categories)
  const accepted = { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
  // The last conflict is the one that is told.
  const problem = problems.at(-1)
  return {
    names,
    condition: problem === undefined ? accepted : { type: 'NamesAccepted', status: 'False', ...problem },
  }
}

function setList(
  names: CustomResourceDefinitionNames,
  field: 'shortNames' | 'categories',
  list: string[] | undefined,
): void {
  if (list === undefined) delete names[field]
  else names[field] = list
}

const established: Condition = {
  type: 'Established',
  status: 'True',
  reason: 'InitialNamesAccepted',
  message: 'the initial names have been accepted',
}
const notAccepted: Condition = {
  type: 'Established',
  status: 'False',
  reason: 'NotAccepted',
  message: 'not all names are accepted',
}

/** True when a definition has all names that it wants, and what depends on nothing else is said of it. */
export function isSettled(crd: CustomResourceDefinition): boolean {
  const { names } = crd.spec
  const conditions = crd.status?.conditions
  return (
    jsonEqual(names, crd.status?.acceptedNames) &&
    findCondition(conditions, 'Established')?.status === 'True' &&
    approvalCondition(crd) === findCondition(conditions, approvalType)?.reason
  )
}

const approvalType = 'KubernetesAPIApprovalPolicyConformant'
const approvals = {
  approved: { status: 'True', reason: 'ApprovedAnnotation' },
  bypassed: { status: 'False', reason: 'UnapprovedAnnotation' },
  missing: { status: 'False', reason: 'MissingAnnotation' },
  invalid: { status: 'False', reason: 'InvalidAnnotation' },
}

function approvalCondition(crd: CustomResourceDefinition): string | undefined {
  const approval = apiApprovalOf(crd)
  return approval === undefined ? undefined : approvals[approval.state].reason
}

/**
 * The status of a definition (apiextensions-apiserver `naming_controller.go`, `establishing_controller.go`, `apiapproval_controller.go`): a name belongs
 * to whoever had it first; a kind is established as soon as all its names are its own, and stays so. `others` are the other definitions of its group.
 */
export function planStatus(
  crd: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  nowMs: number,
): CustomResourceDefinitionStatus {
  const { names, condition } = planNames(crd.spec.names, crd.status?.acceptedNames ?? none, takenNames(others))
  let conditions = withCondition<Condition>(crd.status?.conditions, condition, nowMs)
  const isEstablished = findCondition(conditions, 'Established')?.status === 'True'
  if (!isEstablished)
    conditions = withCondition(conditions, condition.status === 'True' ? established : notAccepted, nowMs)
  const approval = apiApprovalOf(crd)
  if (approval !== undefined)
    conditions = withCondition(
      conditions,
      { type: approvalType, ...approvals[approval.state], message: approval.reason },
      nowMs,
    )
  return { ...crd.status, acceptedNames: names, conditions: [...conditions] }
}
