import { type FieldError, invalidValue, notSupported, qualifiedNameProblems, required } from '@binnacle/apimachinery'
import { textErrors } from './field-checks.ts'

/** Rules of references to a pod's own fields and resources, in environment variables and in volumes. */

/** `ObjectFieldSelector`. */
export interface FieldReference {
  apiVersion?: string
  fieldPath?: string
}

/** `ResourceFieldSelector`. */
export interface ResourceReference {
  containerName?: string
  resource?: string
  divisor?: string
}

const fieldPaths = {
  env: [
    'metadata.name',
    'metadata.namespace',
    'metadata.uid',
    'spec.nodeName',
    'spec.serviceAccountName',
    'status.hostIP',
    'status.hostIPs',
    'status.podIP',
    'status.podIPs',
  ],
  volume: ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'],
} as const
// Every path that names a field of a pod at all; a place may support fewer.
const convertible = new Set<string>([...fieldPaths.env, ...fieldPaths.volume, 'spec.restartPolicy', 'status.phase'])

/** Problems of a reference to a field of the pod. */
export function fieldReferenceErrors(reference: FieldReference, path: string, place: 'env' | 'volume'): FieldError[] {
  if (!reference.apiVersion) return [required(`${path}.apiVersion`)]
  const { fieldPath } = reference
  if (!fieldPath) return [required(`${path}.fieldPath`)]
  const subscripted = /^(.+)\['([^']*)'\]$/.exec(fieldPath)
  if (subscripted !== null) {
    const [, base = '', key = ''] = subscripted
    if (base === 'metadata.annotations') return textErrors(path, key.toLowerCase(), qualifiedNameProblems)
    if (base === 'metadata.labels') return textErrors(path, key, qualifiedNameProblems)
    return [invalidValue(path, base, 'does not support subscript')]
  }
  if (!convertible.has(fieldPath))
    return [
      invalidValue(
        `${path}.fieldPath`,
        fieldPath,
        `error converting fieldPath: field label not supported: ${fieldPath}`,
      ),
    ]
  const allowed: readonly string[] = fieldPaths[place]
  return allowed.includes(fieldPath) ? [] : [notSupported(`${path}.fieldPath`, fieldPath, allowed)]
}

const resources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]
const sizeDivisors = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']

/** Problems of a reference to a resource of a container. */
export function resourceReferenceErrors(
  reference: ResourceReference,
  path: string,
  place: 'env' | 'volume',
): FieldError[] {
  const resource = reference.resource ?? ''
  const isHugePages = /^(requests|limits)\.hugepages-/.test(resource)
  const errors: FieldError[] = []
  if (place === 'volume' && !reference.containerName) errors.push(required(`${path}.containerName`))
  else if (resource === '') errors.push(required(`${path}.resource`))
  else if (!resources.includes(resource) && !isHugePages)
    errors.push(notSupported(`${path}.resource`, resource, resources))
  return [...errors, ...divisorErrors(resource, reference.divisor, `${path}.divisor`)]
}

function divisorErrors(resource: string, divisor: string | undefined, field: string): FieldError[] {
  if (divisor === undefined || divisor === '0') return []
  const kind = resource.replace(/^(requests|limits)\./, '')
  if (kind === 'cpu')
    return divisor === '1m' || divisor === '1'
      ? []
      : [invalidValue(field, resource, "only divisor's values 1m and 1 are supported with the cpu resource")]
  const words = { memory: 'memory', 'ephemeral-storage': 'local ephemeral storage' }[kind]
  const word = words ?? (kind.startsWith('hugepages-') ? 'hugepages' : undefined)
  if (word === undefined || sizeDivisors.includes(divisor)) return []
  return [
    invalidValue(
      field,
      resource,
      `only divisor's values ${sizeDivisors.join(', ')} are supported with the ${word} resource`,
    ),
  ]
}
