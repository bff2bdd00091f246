import {
  type FieldError,
  forbiddenField,
  invalidValue,
  type LabelSelector,
  notSupported,
  required,
  selectorFromLabelSelector,
  semanticEqual,
} from '@binnacle/apimachinery'
import type { PodTemplateSpec } from '../generated/types.ts'
import { validatePodSpec } from './pod-spec-validation.ts'

/** Rules that Deployments, ReplicaSets, StatefulSets and DaemonSets share. */

/** The selector must be there, must not be empty, and must match the template's labels. */
export function selectorErrors(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: string,
): FieldError[] {
  if (selector === undefined) return [required('spec.selector')]
  const parsed = selectorFromLabelSelector(selector)
  if (parsed.empty) return [invalidValue('spec.selector', selector, `empty selector is invalid for ${kind}`)]
  if (!parsed.matches(template?.metadata?.labels))
    return [
      invalidValue(
        'spec.template.metadata.labels',
        template?.metadata?.labels ?? {},
        '`selector` does not match template `labels`',
      ),
    ]
  return []
}

/** The template's pods must be valid and, except for jobs, restart always. */
export function templateErrors(template: PodTemplateSpec | undefined): FieldError[] {
  const errors = validatePodSpec(template?.spec, 'spec.template.spec')
  const restart = template?.spec?.restartPolicy
  if (restart !== undefined && restart !== 'Always' && ['OnFailure', 'Never'].includes(restart))
    errors.push(notSupported('spec.template.spec.restartPolicy', restart, ['Always']))
  if (template?.spec?.activeDeadlineSeconds !== undefined)
    errors.push(
      forbiddenField('spec.template.spec.activeDeadlineSeconds', 'activeDeadlineSeconds in workloads is not supported'),
    )
  return errors
}

/** A selector may not change. */
export function immutableSelector(now: LabelSelector | undefined, before: LabelSelector | undefined): FieldError[] {
  return semanticEqual(now, before) ? [] : [invalidValue('spec.selector', now ?? null, 'field is immutable')]
}
