import { type FieldError, invalidValue, required } from '@binnacle/apimachinery'
import type { CustomResourceDefinition } from '../generated/types.ts'

/** Groups of the Kubernetes community have kinds that were approved (apiextensions-apiserver `apihelpers`). */

const annotation = 'api-approved.kubernetes.io'
const see = 'see https://github.com/kubernetes/enhancements/pull/1111'

/** What the annotation of a definition says of its approval. */
export interface ApiApproval {
  readonly state: 'approved' | 'bypassed' | 'missing' | 'invalid'
  readonly reason: string
}

/** The approval of a definition; undefined where its group needs none. */
export function apiApprovalOf({ metadata, spec }: CustomResourceDefinition): ApiApproval | undefined {
  if (!/(?:^|\.)(?:k8s|kubernetes)\.io$/.test(spec.group)) return undefined
  const text = metadata.annotations?.[annotation] ?? ''
  const must = `protected groups must have approval annotation "${annotation}"`
  if (text === '') return { state: 'missing', reason: `${must}, ${see}` }
  if (text.startsWith('unapproved')) return { state: 'bypassed', reason: `not approved: ${JSON.stringify(text)}` }
  if (/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/]/.test(text) && URL.canParse(text))
    return { state: 'approved', reason: `approved in ${text}` }
  return { state: 'invalid', reason: `${must} with either a URL or a reason starting with "unapproved", ${see}` }
}

/** The problems of the annotation; what has not changed is not looked at again. */
export function apiApprovalErrors(crd: CustomResourceDefinition, old?: CustomResourceDefinition): FieldError[] {
  const approval = apiApprovalOf(crd)
  if (approval === undefined || (old !== undefined && apiApprovalOf(old)?.state === approval.state)) return []
  const field = `metadata.annotations[${annotation}]`
  if (approval.state === 'missing') return [required(field, approval.reason)]
  if (approval.state === 'invalid')
    return [invalidValue(field, crd.metadata.annotations?.[annotation], approval.reason)]
  return []
}
