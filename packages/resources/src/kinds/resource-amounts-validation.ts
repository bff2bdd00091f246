import {
  compareQuantities,
  duplicate,
  type FieldError,
  forbiddenField,
  formatQuantity,
  invalidValue,
  type Quantity,
  qualifiedNameProblems,
  required,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import { labelErrors, labelKeyErrors } from './field-checks.ts'

/** Rules of amounts of resources: what containers ask for, what quotas and ranges limit, what nodes have. */

type Amounts = Readonly<Record<string, string>>

const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage'])
const countedResources = [
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]
const quotaResources = new Set([
  ...containerResources,
  ...countedResources,
  'storage',
  ...['requests', 'limits'].flatMap((kind) => [
    `${kind}.cpu`,
    `${kind}.memory`,
    `${kind}.storage`,
    `${kind}.ephemeral-storage`,
  ]),
])
const milli = 1_000_000n
const whole = 1000n * milli

const isHugePages = (name: string): boolean => name.startsWith('hugepages-')
/** True for a resource of Kubernetes' own. */
export const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/')
/** True where requests and limits may differ. */
export const mayOvercommit = (name: string): boolean => isNative(name) && !isHugePages(name)
/** True for a resource of a vendor, e.g. `example.com/gpu`. */
export const isExtendedResource = (name: string): boolean =>
  !isNative(name) && !name.startsWith('requests.') && qualifiedNameProblems(`requests.${name}`).length === 0

/** Problems of a resource's name wherever one may be given. */
export function resourceNameErrors(name: string, path: string): FieldError[] {
  const errors = labelKeyErrors(path, name)
  if (errors.length === 0 && !name.includes('/') && !quotaResources.has(name) && !isHugePages(name))
    errors.push(invalidValue(path, name, 'must be a standard resource type or fully qualified'))
  return errors
}

/** Problems of the name of a resource that containers ask for. */
export function containerResourceNameErrors(name: string, path: string): FieldError[] {
  const errors = labelKeyErrors(path, name)
  if (!name.includes('/')) {
    if (!containerResources.has(name) && !isHugePages(name)) {
      if (!quotaResources.has(name))
        errors.push(invalidValue(path, name, 'must be a standard resource type or fully qualified'))
      errors.push(invalidValue(path, name, 'must be a standard resource for containers'))
    }
  } else if (!isNative(name) && !isExtendedResource(name))
    errors.push(invalidValue(path, name, "doesn't follow extended resource name standard"))
  return errors
}

/** Problems of an amount: it may not be negative, and what is counted comes in whole numbers. */
export function amountErrors(name: string, amount: string, path: string): FieldError[] {
  const quantity = tryParseQuantity(amount)
  if (quantity === undefined)
    return [
      invalidValue(
        path,
        amount,
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
      ),
    ]
  const errors: FieldError[] = []
  if (quantity.nanos < 0n) errors.push(invalidValue(path, amount, 'must be greater than or equal to 0'))
  if ((countedResources.includes(name) || isExtendedResource(name)) && quantity.nanos % whole !== 0n)
    errors.push(invalidValue(path, amount, 'must be an integer'))
  return errors
}

/** What containers and pods ask for. */
export interface Requirements {
  readonly limits?: Amounts
  readonly requests?: Amounts
  readonly claims?: readonly { name: string; request?: string }[]
}

/** Problems of what a container asks for. `claimNames` are the names of the pod's resource claims. */
export function requirementErrors(
  { limits = {}, requests = {}, claims = [] }: Requirements,
  path: string,
  claimNames: ReadonlySet<string>,
): FieldError[] {
  const errors: FieldError[] = []
  for (const [field, amounts] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const [name, amount] of Object.entries(amounts)) {
      const here = `${path}.${field}[${name}]`
      errors.push(...containerResourceNameErrors(name, here), ...amountErrors(name, amount, here))
      if (field === 'requests') errors.push(...withinLimitErrors(name, amount, limits[name], path))
      errors.push(...hugePageErrors(name, amount, here))
    }
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)]
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory'))
    errors.push(forbiddenField(path, 'HugePages require cpu or memory'))
  return [...errors, ...claimErrors(claims, `${path}.claims`, claimNames)]
}

function withinLimitErrors(name: string, amount: string, limit: string | undefined, path: string): FieldError[] {
  if (limit === undefined)
    return mayOvercommit(name) ? [] : [required(`${path}.limits`, 'Limit must be set for non overcommitable resources')]
  const [asked, most] = [tryParseQuantity(amount), tryParseQuantity(limit)]
  if (asked === undefined || most === undefined) return []
  const order = compareQuantities(asked, most)
  const text = (relation: string): FieldError[] => [
    invalidValue(
      `${path}.requests`,
      formatQuantity(asked),
      `must be ${relation} ${name} limit of ${formatQuantity(most)}`,
    ),
  ]
  if (order !== 0 && !mayOvercommit(name)) return text('equal to')
  return order > 0 ? text('less than or equal to') : []
}

function hugePageErrors(name: string, amount: string, path: string): FieldError[] {
  if (!isHugePages(name)) return []
  const [page, asked] = [tryParseQuantity(name.slice('hugepages-'.length)), tryParseQuantity(amount)]
  if (asked === undefined || isMultiple(asked, page)) return []
  return [
    invalidValue(path, formatQuantity(asked), `${formatQuantity(asked)} is not positive integer multiple of ${name}`),
  ]
}

function isMultiple(amount: Quantity, page: Quantity | undefined): boolean {
  return page !== undefined && page.nanos > 0n && amount.nanos % page.nanos === 0n
}

function claimErrors(
  claims: NonNullable<Requirements['claims']>,
  path: string,
  claimNames: ReadonlySet<string>,
): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, claim] of claims.entries()) {
    const here = `${path}[${index}]`
    if (!claim.name) {
      errors.push(required(here))
      continue
    }
    const key = claim.request ? `${claim.name}/${claim.request}` : claim.name
    if (claim.request) errors.push(...labelErrors(`${here}.request`, claim.request))
    const overlaps = !claim.request && [...seen].some((other) => other.startsWith(`${claim.name}/`))
    if (seen.has(claim.name) || seen.has(key) || overlaps) errors.push(duplicate(here, key))
    seen.add(key)
    if (!claimNames.has(claim.name)) {
      const names = [...claimNames].sort()
      errors.push({
        type: 'FieldValueNotFound',
        field: here,
        message: `Not found: ${JSON.stringify(claim.name)}: must be one of the names in pod.spec.resourceClaims${names.length === 0 ? ' which is empty' : `: ${names.join(', ')}`}`,
      })
    }
  }
  return errors
}
