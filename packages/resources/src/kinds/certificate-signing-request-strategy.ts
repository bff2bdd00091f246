import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  pathSegmentProblems,
  required,
  semanticEqual,
  valueTooLong,
} from '@binnacle/apimachinery'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../generated/types.ts'
import type { Strategy } from '../resource-definition.ts'

/**
 * Rules of CertificateSigningRequests: what is asked for never changes, and only the `approval` subresource approves or denies (registry/certificates
 * `strategy.go`, apis/certificates `validation.go`). Requests and certificates themselves are looked into by the server (apiserver
 * `certificate-errors.ts`).
 */
export const certificateSigningRequestStrategy: Strategy<CertificateSigningRequest> = {
  prepareForUpdate(request, old) {
    request.spec = old.spec
  },
  prepareForStatusUpdate(request, old) {
    for (const type of decisions) preserve(request, old, type)
  },
  // It never changes.
  validateCreate: (request) => specErrors(request),
  validateStatusUpdate: (request, old) => [...conditionErrors(request), ...statusErrors(request, old, 'status')],
  validateSubresourceUpdate: (subresource, request, old) =>
    subresource === 'approval' ? [...conditionErrors(request), ...statusErrors(request, old, 'approval')] : [],
  validateName: (name) => pathSegmentProblems(name),
}

const decisions = ['Approved', 'Denied'] as const
const lasting = [...decisions, 'Failed'] as const
const expirationSecondsMin = 600
const domainLengthMax = 253
// A domain, a slash, a namespace, a dot and a name.
const signerNameLengthMax = domainLengthMax + 1 + 63 + 1 + 253
const legacySigner = 'kubernetes.io/legacy-unknown'

const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]

function conditionsOf({ status }: CertificateSigningRequest): CertificateSigningRequestCondition[] {
  return status?.conditions ?? []
}

// What was decided stays, where only its details would change; that it comes or goes is refused afterwards.
function preserve(request: CertificateSigningRequest, old: CertificateSigningRequest, type: string): void {
  const before = conditionsOf(old).filter((condition) => condition.type === type)
  if (before.length !== conditionsOf(request).filter((condition) => condition.type === type).length) return
  let at = 0
  const kept = conditionsOf(request).map((condition) =>
    condition.type === type ? (before[at++] as CertificateSigningRequestCondition) : condition,
  )
  if (kept.length > 0) request.status = { ...request.status, conditions: kept }
}

function specErrors({ spec }: CertificateSigningRequest): FieldError[] {
  const given = spec.usages ?? []
  const errors: FieldError[] = given.length === 0 ? [required('spec.usages')] : []
  for (const [index, usage] of given.entries()) {
    const path = `spec.usages[${index}]`
    if (!usages.includes(usage)) errors.push(notSupported(path, usage, usages))
    if (given.indexOf(usage) < index) errors.push(duplicate(path, usage))
  }
  if (spec.signerName === legacySigner) {
    const detail = 'the legacy signerName is not allowed via this API version'
    errors.push(invalidValue('spec.signerName', spec.signerName, detail))
  } else errors.push(...signerNameErrors('spec.signerName', spec.signerName))
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < expirationSecondsMin) {
    const detail = 'may not specify a duration less than 600 seconds (10 minutes)'
    errors.push(invalidValue('spec.expirationSeconds', spec.expirationSeconds, detail))
  }
  return errors
}

/** The name of a signer: `example.com/name` (kube-apiserver `ValidateSignerName`). */
export function signerNameErrors(path: string, signerName: string | undefined): FieldError[] {
  if (!signerName) return [required(path)]
  const [domain = '', name, ...rest] = signerName.split('/')
  if (name === undefined || rest.length > 0) {
    const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
    return [invalidValue(path, signerName, form)]
  }
  const errors: FieldError[] = domain.length > domainLengthMax ? [valueTooLong(path, domainLengthMax)] : []
  errors.push(...partErrors(path, domain, dns1123LabelProblems))
  if (!domain.includes('.'))
    errors.push(invalidValue(path, domain, 'should be a domain with at least two segments separated by dots'))
  errors.push(...partErrors(path, name, dns1123SubdomainProblems))
  if (signerName.length > signerNameLengthMax) errors.push(valueTooLong(path, signerNameLengthMax))
  return errors
}

// The first part that is wrong says enough.
function partErrors(path: string, text: string, problemsOf: (part: string) => string[]): FieldError[] {
  for (const part of text.split('.')) {
    const problems = problemsOf(part)
    if (problems.length > 0)
      return problems.map((problem) => invalidValue(path, text, `validating label "${part}": ${problem}`))
  }
  return []
}

function conditionErrors(request: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, { type, status }] of conditionsOf(request).entries()) {
    const path = `status.conditions[${index}]`
    const allowed = (lasting as readonly string[]).includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (!type) errors.push(required(`${path}.type`))
    if (seen.has(type)) errors.push(duplicate(`${path}.type`, type))
    if (!status) errors.push(required(`${path}.status`))
    else if (!allowed.includes(status)) errors.push(notSupported(`${path}.status`, status, allowed))
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : ''
    if (seen.has(opposite))
      errors.push(invalidValue(`${path}.type`, type, 'Approved and Denied conditions are mutually exclusive'))
    seen.add(type)
  }
  return errors
}

function statusErrors(
  request: CertificateSigningRequest,
  old: CertificateSigningRequest,
  subresource: 'status' | 'approval',
): FieldError[] {
  const path = 'status.conditions'
  const ofType = (of: CertificateSigningRequest, type: string): CertificateSigningRequestCondition[] =>
    conditionsOf(of).filter((condition) => condition.type === type)
  const errors = lasting
    .filter((type) => ofType(request, type).length < ofType(old, type).length)
    .map((type) => forbiddenField(path, `updates may not remove a condition of type "${type}"`))
  if (subresource === 'status')
    for (const type of decisions) {
      const [now, before] = [ofType(request, type), ofType(old, type)]
      if (now.length > before.length)
        errors.push(forbiddenField(path, `updates may not add a condition of type "${type}"`))
      else if (now.length === before.length && !semanticEqual(now, before))
        errors.push(forbiddenField(path, `updates may not modify a condition of type "${type}"`))
    }
  const [issued, now] = [old.status?.certificate ?? '', request.status?.certificate ?? '']
  if (now === issued) return errors
  if (subresource === 'approval')
    errors.push(forbiddenField('status.certificate', 'updates may not set certificate content'))
  else if (issued !== '')
    errors.push(forbiddenField('status.certificate', 'updates may not modify existing certificate content'))
  return errors
}
