import {
  type FieldError,
  forbiddenField,
  invalidValue,
  type LabelSelector,
  notSupported,
  percentProblems,
  required,
  selectorFromLabelSelector,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { PodTemplateSpec } from '../generated/types.ts'
import { labelSelectorErrors, nonNegative } from './field-checks.ts'
import { validateAnnotations, validateLabels } from './object-meta.ts'
import { validatePodSpec } from './pod-spec-validation.ts'

/** Rules that the kinds with a pod template share. */

/** An amount of pods: a number or a percentage. */
export type IntOrPercent = number | string

/** The selector must be there and not be empty; `kind` is how the message names it. */
export function selectorErrors(selector: LabelSelector | undefined, kind: string): FieldError[] {
  if (selector === undefined) return [required('spec.selector')]
  const errors = labelSelectorErrors('spec.selector', selector)
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0)
    errors.push(invalidValue('spec.selector', selector, `empty selector is invalid for ${kind}`))
  return errors
}

/** The selector must match the template's labels. */
export function selectorMatchErrors(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  path: string,
): FieldError[] {
  if (selector === undefined || labelSelectorErrors('', selector).length > 0) return []
  const parsed = selectorFromLabelSelector(selector)
  if (parsed.empty || parsed.matches(template?.metadata?.labels)) return []
  return [
    invalidValue(
      `${path}.metadata.labels`,
      template?.metadata?.labels ?? null,
      '`selector` does not match template `labels`',
    ),
  ]
}

/** Problems of a pod template. */
export function podTemplateErrors(template: PodTemplateSpec | undefined, path: string): FieldError[] {
  const errors = [...templateMetadataErrors(template, path), ...validatePodSpec(template?.spec, `${path}.spec`)]
  if ((template?.spec?.ephemeralContainers ?? []).length > 0)
    errors.push(forbiddenField(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  return errors
}

/** Problems of a template's labels and annotations. */
export function templateMetadataErrors(template: PodTemplateSpec | undefined, path: string): FieldError[] {
  return [
    ...validateLabels(template?.metadata?.labels, `${path}.labels`),
    ...validateAnnotations(template?.metadata?.annotations, `${path}.annotations`),
  ]
}

/** Pods that a controller keeps running restart always and have no deadline; `kind` is how the message names the owner. */
export function alwaysRunningErrors(template: PodTemplateSpec | undefined, kind: string): FieldError[] {
  const errors: FieldError[] = []
  const path = 'spec.template.spec'
  const restart = template?.spec?.restartPolicy
  if (template?.spec !== undefined && restart !== 'Always')
    errors.push(notSupported(`${path}.restartPolicy`, restart ?? '', ['Always']))
  if (template?.spec?.activeDeadlineSeconds !== undefined)
    errors.push(forbiddenField(`${path}.activeDeadlineSeconds`, `activeDeadlineSeconds in ${kind} is not Supported`))
  return errors
}

/** Problems of an amount that may be a percentage. */
export function intOrPercentErrors(field: string, value: IntOrPercent | undefined): FieldError[] {
  if (typeof value === 'string') return percentProblems(value).map((problem) => invalidValue(field, value, problem))
  return nonNegative(field, value)
}

/** The number in an amount, whether it is a percentage or not; 0 when it is neither. */
export function intOrPercentNumber(value: IntOrPercent | undefined): number {
  return typeof value === 'number' ? value : /^[0-9]+%$/.test(value ?? '') ? Number.parseInt(value ?? '0', 10) : 0
}

/** A percentage may not be above 100. */
export function atMostAllErrors(field: string, value: IntOrPercent | undefined): FieldError[] {
  return typeof value === 'string' && intOrPercentNumber(value) > 100
    ? [invalidValue(field, value, 'must not be greater than 100%')]
    : []
}

/** A selector may not change. */
export function immutableSelector(now: LabelSelector | undefined, before: LabelSelector | undefined): FieldError[] {
  return semanticEqual(now, before) ? [] : [invalidValue('spec.selector', now ?? null, 'field is immutable')]
}

/**
 * Problems of the counts in a workload's status: none is negative, and the counts of a part do not exceed the whole.
 * `parts` are the names of the fields that may not exceed `status.replicas`.
 */
export function replicaStatusErrors(status: object | undefined, parts: readonly string[]): FieldError[] {
  const counts = (status ?? {}) as Readonly<Record<string, number | undefined>>
  const errors = ['replicas', ...parts, 'observedGeneration', 'collisionCount'].flatMap((field) =>
    nonNegative(`status.${field}`, counts[field]),
  )
  for (const field of parts)
    if ((counts[field] ?? 0) > (counts['replicas'] ?? 0))
      errors.push(invalidValue(`status.${field}`, counts[field], 'cannot be greater than status.replicas'))
  if (parts.includes('availableReplicas') && (counts['availableReplicas'] ?? 0) > (counts['readyReplicas'] ?? 0))
    errors.push(
      invalidValue('status.availableReplicas', counts['availableReplicas'], 'cannot be greater than readyReplicas'),
    )
  return errors
}
