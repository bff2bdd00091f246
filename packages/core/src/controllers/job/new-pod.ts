import type { Container, Job, Pod, PodTemplateSpec } from '@binnacle/resources'
import { podFromTemplate } from '../pod-template.ts'
import { completionIndexKey, indexFailuresKey, indexIgnoredFailuresKey, trackingFinalizer } from './job-pods.ts'
import type { NewPod } from './plan.ts'

const indexVariable = 'JOB_COMPLETION_INDEX'
const generatedNameBaseMax = 58

/**
 * A pod of a job: it has the finalizer that keeps it until it is counted. In an Indexed job it carries its index as annotation, label, variable and
 * at the end of its host name.
 */
export function newJobPod(job: Job, { index, failures }: NewPod): Pod {
  const pod = podFromTemplate(job, job.spec?.template as PodTemplateSpec | undefined)
  const { metadata } = pod
  if (metadata.finalizers?.includes(trackingFinalizer) !== true)
    metadata.finalizers = [...(metadata.finalizers ?? []), trackingFinalizer]
  if (index === undefined) return pod
  metadata.generateName = nameBase(job.metadata.name, index)
  metadata.labels = { ...metadata.labels, [completionIndexKey]: `${index}` }
  metadata.annotations = { ...metadata.annotations, [completionIndexKey]: `${index}` }
  if (failures !== undefined) {
    metadata.annotations[indexFailuresKey] = `${failures.counted}`
    if (failures.ignored > 0) metadata.annotations[indexIgnoredFailuresKey] = `${failures.ignored}`
  }
  const spec = pod.spec as NonNullable<Pod['spec']>
  pod.spec = {
    ...spec,
    hostname: `${job.metadata.name}-${index}`,
    containers: spec.containers.map(withIndexVariable),
    ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(withIndexVariable) }),
  }
  return pod
}

// The index stays readable where the job's name is too long.
function nameBase(name: string, index: number): string {
  const suffix = `-${index}-`
  return name.slice(0, generatedNameBaseMax - suffix.length) + suffix
}

function withIndexVariable(container: Container): Container {
  if (container.env?.some(({ name }) => name === indexVariable) === true) return container
  const fieldPath = `metadata.labels['${completionIndexKey}']`
  return {
    ...container,
    env: [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef: { fieldPath } } }],
  }
}
