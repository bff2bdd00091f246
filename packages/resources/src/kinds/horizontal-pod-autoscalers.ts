import { type FieldError, invalidValue, required } from '@binnacle/apimachinery'
import { ageColumn, column, integerColumn } from '../columns.ts'
import { defineResource } from '../define-resource.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { nonNegative, oneOf, optionalOneOf, present } from './field-checks.ts'
import { metricSpecErrors } from './metric-spec-validation.ts'
import type { HorizontalPodAutoscaler as V1, HorizontalPodAutoscalerV2 as V2 } from '../generated/types.ts'

type Json = Record<string, any>

const shared = { storageName: 'horizontalpodautoscalers.autoscaling', storageVersion: 'v2' }

/** Changes the number of replicas with the load. */
export const horizontalPodAutoscalers: ResourceDefinition<V2> = defineResource<V2>(
  'autoscaling',
  'v2',
  'horizontalpodautoscalers',
  {
    shortNames: ['hpa'],
    categories: ['all'],
    columns: columns<V2>((autoscaler) => targetsText(autoscaler as Json)),
    storage: shared,
    strategy: { applyDefaults: defaultBounds, validate: autoscalerErrors },
  },
)

/** The older version, which knows CPU utilization only; its other metrics travel in annotations, as upstream does. */
export const horizontalPodAutoscalersV1: ResourceDefinition<V1> = defineResource<V1>(
  'autoscaling',
  'v1',
  'horizontalpodautoscalers',
  {
    shortNames: ['hpa'],
    categories: ['all'],
    columns: columns<V1>((autoscaler) => targetsText(toV2(autoscaler) as Json)),
    storage: { ...shared, convert: { toStorage: toV2, fromStorage: (object) => toV1(object as V2) } },
    strategy: { applyDefaults: defaultBounds, validate: autoscalerErrors },
  },
)

function defaultBounds(autoscaler: V1 | V2): void {
  const spec = autoscaler.spec as Json | undefined
  if (spec === undefined) return
  spec['minReplicas'] ??= 1
  const usesV2 = autoscaler.apiVersion === 'autoscaling/v2'
  if (usesV2 && (spec['metrics'] ?? []).length === 0) spec['metrics'] = [cpuMetric(80)]
  if (usesV2 && spec['behavior'] !== undefined) spec['behavior'] = withDefaultRates(spec['behavior'] as Json)
}

// Of both versions, what `ValidateHorizontalPodAutoscaler` says of bounds, target and policies.
function autoscalerErrors(autoscaler: V1 | V2): FieldError[] {
  const spec = (autoscaler.spec ?? {}) as Json
  const { minReplicas, maxReplicas = 0, scaleTargetRef = {}, behavior = {} } = spec
  const errors: FieldError[] = []
  if (minReplicas !== undefined && minReplicas < 1)
    errors.push(invalidValue('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'))
  if (maxReplicas < 1) errors.push(invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  errors.push(...present('spec.scaleTargetRef.kind', scaleTargetRef.kind))
  errors.push(...present('spec.scaleTargetRef.name', scaleTargetRef.name))
  return [
    ...errors,
    ...metricSpecErrors(spec['metrics'] as Json[] | undefined, 'spec.metrics'),
    ...rateErrors(behavior.scaleUp, 'spec.behavior.scaleUp'),
    ...rateErrors(behavior.scaleDown, 'spec.behavior.scaleDown'),
  ]
}

const hourSeconds = 3600
const longestPeriodSeconds = 1800

function rateErrors(rules: Json | undefined, path: string): FieldError[] {
  if (rules === undefined) return []
  const window = rules['stabilizationWindowSeconds'] as number | undefined
  const windowPath = `${path}.stabilizationWindowSeconds`
  const errors = nonNegative(windowPath, window)
  if (window !== undefined && window > hourSeconds)
    errors.push(invalidValue(windowPath, window, `must be less than or equal to ${hourSeconds}`))
  errors.push(...optionalOneOf(`${path}.selectPolicy`, rules['selectPolicy'], ['Disabled', 'Max', 'Min']))
  const policies = rules['policies'] as Json[] | undefined
  if (policies !== undefined && policies.length === 0)
    errors.push(required(`${path}.policies`, 'must specify at least one Policy'))
  for (const [index, { type, value, periodSeconds }] of (policies ?? []).entries()) {
    const here = `${path}.policies[${index}]`
    errors.push(...oneOf(`${here}.type`, type, ['Percent', 'Pods']))
    if (value <= 0) errors.push(invalidValue(`${here}.value`, value, 'must be greater than zero'))
    if (periodSeconds <= 0)
      errors.push(invalidValue(`${here}.periodSeconds`, periodSeconds, 'must be greater than zero'))
    if (periodSeconds > longestPeriodSeconds)
      errors.push(
        invalidValue(`${here}.periodSeconds`, periodSeconds, `must be less than or equal to ${longestPeriodSeconds}`),
      )
  }
  return errors
}

// Where one rule is given, all are (`GenerateHPAScaleUpRules`, `GenerateHPAScaleDownRules`).
function withDefaultRates({ scaleUp, scaleDown }: Json): Json {
  const double = { type: 'Percent', value: 100, periodSeconds: 15 }
  const policies = [{ type: 'Pods', value: 4, periodSeconds: 15 }, double]
  return {
    scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies, ...scaleUp },
    scaleDown: { selectPolicy: 'Max', policies: [double], ...scaleDown },
  }
}

const cpuMetric = (averageUtilization: number): Json => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
})
const isCpuMetric = (metric: Json): boolean =>
  metric['type'] === 'Resource' &&
  metric['resource']?.name === 'cpu' &&
  metric['resource']?.target?.averageUtilization !== undefined

const metricsAnnotation = 'autoscaling.alpha.kubernetes.io/metrics'
const behaviorAnnotation = 'autoscaling.alpha.kubernetes.io/behavior'

function toV2(v1: V1): V2 {
  const { targetCPUUtilizationPercentage: cpu, ...spec } = (v1.spec ?? {}) as Json
  const { currentCPUUtilizationPercentage: currentCpu, ...status } = (v1.status ?? {}) as Json
  const { [metricsAnnotation]: others, [behaviorAnnotation]: behavior, ...annotations } = v1.metadata.annotations ?? {}
  const metrics = [
    ...(cpu === undefined ? [] : [cpuMetric(cpu)]),
    ...(others === undefined ? [] : (JSON.parse(others) as Json[])),
  ]
  const metadata = { ...v1.metadata, ...(v1.metadata.annotations === undefined ? {} : { annotations }) }
  return {
    ...v1,
    apiVersion: 'autoscaling/v2',
    metadata,
    spec: {
      ...spec,
      metrics: metrics.length === 0 ? [cpuMetric(80)] : metrics,
      ...(behavior === undefined ? {} : { behavior: JSON.parse(behavior) as Json }),
    },
    status: {
      ...status,
      ...(currentCpu === undefined
        ? {}
        : {
            currentMetrics: [
              { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: currentCpu } } },
            ],
          }),
    },
  } as unknown as V2
}

function toV1(v2: V2): V1 {
  const { metrics = [], behavior, ...spec } = (v2.spec ?? {}) as Json
  const { currentMetrics = [], conditions: _conditions, ...status } = (v2.status ?? {}) as Json
  const cpu = (metrics as Json[]).find(isCpuMetric)
  const others = (metrics as Json[]).filter((metric) => metric !== cpu)
  const annotations = {
    ...v2.metadata.annotations,
    ...(others.length === 0 ? {} : { [metricsAnnotation]: JSON.stringify(others) }),
    ...(behavior === undefined ? {} : { [behaviorAnnotation]: JSON.stringify(behavior) }),
  }
  const currentCpu = (currentMetrics as Json[]).find((metric) => metric['resource']?.name === 'cpu')?.['resource']
    ?.current?.averageUtilization
  return {
    ...v2,
    apiVersion: 'autoscaling/v1',
    metadata: { ...v2.metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: {
      ...spec,
      ...(cpu === undefined ? {} : { targetCPUUtilizationPercentage: cpu['resource'].target.averageUtilization }),
    },
    status: {
      currentReplicas: 0,
      desiredReplicas: 0,
      ...status,
      ...(currentCpu === undefined ? {} : { currentCPUUtilizationPercentage: currentCpu }),
    },
  } as unknown as V1
}

function columns<T extends V1 | V2>(targets: (autoscaler: T) => string) {
  return [
    column<T>('Reference', (autoscaler) =>
      autoscaler.spec === undefined
        ? ''
        : `${autoscaler.spec.scaleTargetRef.kind}/${autoscaler.spec.scaleTargetRef.name}`,
    ),
    column<T>('Targets', targets),
    column<T>('MinPods', (autoscaler) => String(autoscaler.spec?.minReplicas ?? '<unset>')),
    integerColumn<T>('MaxPods', (autoscaler) => autoscaler.spec?.maxReplicas),
    integerColumn<T>('Replicas', (autoscaler) => autoscaler.status?.currentReplicas),
    ageColumn,
  ]
}

function targetsText(autoscaler: Json): string {
  const metrics = (autoscaler['spec']?.metrics ?? []) as Json[]
  if (metrics.length === 0) return '<none>'
  const current = (autoscaler['status']?.currentMetrics ?? []) as Json[]
  return metrics.map((metric, index) => targetText(metric, current[index])).join(', ')
}

function targetText(metric: Json, current: Json | undefined): string {
  const source = String(metric['type']).charAt(0).toLowerCase() + String(metric['type']).slice(1)
  const { target = {}, name } = (metric[source] ?? {}) as Json
  const now = current?.[source]?.current ?? {}
  if (target.averageUtilization !== undefined)
    return `${name}: ${now.averageUtilization === undefined ? '<unknown>' : `${now.averageUtilization}%`}/${target.averageUtilization}%`
  const label = name === undefined ? '' : `${name}: `
  if (target.averageValue !== undefined)
    return `${label}${now.averageValue ?? '<unknown>'}/${target.averageValue}${source === 'resource' ? '' : ' (avg)'}`
  return `${label}${now.value ?? '<unknown>'}/${target.value ?? '<auto>'}`
}
