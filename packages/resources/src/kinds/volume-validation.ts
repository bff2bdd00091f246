import {
  configKeyProblems,
  dns1123SubdomainProblems,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  required,
  tryParseQuantity,
} from '@binnacle/apimachinery'
import type { PersistentVolumeClaimTemplate, Volume } from '../generated/types.ts'
import {
  type FieldReference,
  fieldReferenceErrors,
  resourceReferenceErrors,
  type ResourceReference,
} from './downward-api-validation.ts'
import { labelErrors, labelSelectorErrors, optionalOneOf, present } from './field-checks.ts'
import { validateClaimSpec } from './persistent-volume-claim-strategy.ts'

/** Rules of a pod's volumes, as kube-apiserver's `ValidateVolumes`. */

type Source = Record<string, any>

const fileModeText = 'must be a number between 0 and 0777 (octal), both inclusive'
const tokenSecondsMin = 600
const tokenSecondsMax = 2 ** 32

/** Every problem of a pod's volumes; `podName` is known for real pods only. */
export function validateVolumes(volumes: readonly Volume[], path: string, podName?: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  const created = new Set(
    volumes.filter((volume) => volume.ephemeral !== undefined).map((volume) => `${podName}-${volume.name}`),
  )
  for (const [index, volume] of volumes.entries()) {
    const here = `${path}[${index}]`
    errors.push(...sourceErrors(volume, here, podName))
    errors.push(...(volume.name ? labelErrors(`${here}.name`, volume.name) : [required(`${here}.name`)]))
    if (names.has(volume.name)) errors.push(duplicate(`${here}.name`, volume.name))
    names.add(volume.name)
    const claim = volume.persistentVolumeClaim?.claimName
    if (podName && claim !== undefined && created.has(claim))
      errors.push(
        invalidValue(
          `${here}.persistentVolumeClaim.claimName`,
          claim,
          'must not reference a PVC that gets created for an ephemeral volume',
        ),
      )
  }
  return errors
}

// In the order in which upstream looks: the first one counts, each further one is one too many.
const sourceRules: Record<string, (source: Source, path: string) => FieldError[]> = {
  emptyDir: (source, path) => {
    const limit = source['sizeLimit'] === undefined ? undefined : tryParseQuantity(source['sizeLimit'] as string)
    return limit !== undefined && limit.nanos < 0n
      ? [forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')]
      : []
  },
  hostPath: hostPathErrors,
  gitRepo: (source, path) => [
    ...present(`${path}.repository`, source['repository'] as string),
    ...localPathErrors(`${path}.directory`, (source['directory'] as string | undefined) ?? ''),
  ],
  gcePersistentDisk: needs('pdName'),
  awsElasticBlockStore: needs('volumeID'),
  secret: keyedErrors('secretName'),
  nfs: nfsErrors,
  iscsi: needs('targetPortal', 'iqn'),
  glusterfs: needs('endpoints', 'path'),
  flocker: () => [],
  persistentVolumeClaim: needs('claimName'),
  rbd: needs('monitors', 'image'),
  cinder: needs('volumeID'),
  cephfs: needs('monitors'),
  quobyte: needs('registry', 'volume'),
  downwardAPI: (source, path) => [
    ...modeErrors(`${path}.defaultMode`, source['defaultMode'] as number | undefined),
    ...((source['items'] ?? []) as Source[]).flatMap((file) => downwardFileErrors(file, path)),
  ],
  fc: () => [],
  flexVolume: needs('driver'),
  configMap: keyedErrors('name'),
  azureFile: needs('secretName', 'shareName'),
  vsphereVolume: needs('volumePath'),
  photonPersistentDisk: needs('pdID'),
  portworxVolume: needs('volumeID'),
  azureDisk: needs('diskName', 'diskURI'),
  storageos: () => [],
  projected: projectedErrors,
  scaleIO: needs('gateway', 'system', 'volumeName'),
  csi: needs('driver'),
  ephemeral: (source, path) => {
    const here = `${path}.volumeClaimTemplate`
    const template = source['volumeClaimTemplate'] as PersistentVolumeClaimTemplate | undefined
    return template === undefined ? [required(here)] : validateClaimSpec(template.spec ?? {}, `${here}.spec`)
  },
  image: needs('reference'),
}

function sourceErrors(volume: Volume, path: string, podName: string | undefined): FieldError[] {
  const sources = volume as unknown as Record<string, Source | undefined>
  const used = Object.keys(sourceRules).filter((name) => sources[name] !== undefined)
  const [first, ...more] = used
  if (first === undefined) return [required(path, 'must specify a volume type')]
  const errors = sourceRules[first]?.(sources[first] as Source, `${path}.${first}`) ?? []
  for (const name of more) errors.push(forbiddenField(`${path}.${name}`, 'may not specify more than 1 volume type'))
  if (first === 'ephemeral' && podName && volume.name) {
    const claim = `${podName}-${volume.name}`
    for (const problem of dns1123SubdomainProblems(claim))
      errors.push(invalidValue(`${path}.name`, volume.name, `PVC name "${claim}": ${problem}`))
  }
  return errors
}

function needs(...fields: string[]) {
  return (source: Source, path: string): FieldError[] =>
    fields.flatMap((field) =>
      Array.isArray(source[field])
        ? source[field].length === 0
          ? [required(`${path}.${field}`)]
          : []
        : present(`${path}.${field}`, source[field] as string | undefined),
    )
}

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]

function hostPathErrors(source: Source, path: string): FieldError[] {
  if (!source['path']) return [required(`${path}.path`)]
  return [
    ...backstepErrors(`${path}.path`, source['path'] as string),
    ...optionalOneOf(`${path}.type`, source['type'] as string | undefined, hostPathTypes),
  ]
}

function nfsErrors(source: Source, path: string): FieldError[] {
  const errors = needs('server', 'path')(source, path)
  if (source['path'] && !(source['path'] as string).startsWith('/'))
    errors.push(invalidValue(`${path}.path`, source['path'], 'must be an absolute path'))
  return errors
}

function keyedErrors(nameField: string) {
  return (source: Source, path: string): FieldError[] => [
    ...present(`${path}.${nameField}`, source[nameField] as string | undefined),
    ...modeErrors(`${path}.defaultMode`, source['defaultMode'] as number | undefined),
    ...keyToPathErrors((source['items'] ?? []) as Source[], `${path}.items`),
  ]
}

function keyToPathErrors(items: readonly Source[], path: string): FieldError[] {
  return items.flatMap((item, index) => {
    const here = `${path}[${index}]`
    const key = (item['key'] ?? '') as string
    return [
      ...(key === ''
        ? [required(`${here}.key`)]
        : configKeyProblems(key).map((problem) => invalidValue(`${here}.key`, key, problem))),
      ...present(`${here}.path`, item['path'] as string),
      ...nonReservedPathErrors(`${here}.path`, (item['path'] ?? '') as string),
      ...modeErrors(`${here}.mode`, item['mode'] as number | undefined),
    ]
  })
}

function modeErrors(field: string, mode: number | undefined): FieldError[] {
  return mode !== undefined && (mode > 0o777 || mode < 0) ? [invalidValue(field, mode, fileModeText)] : []
}

// The paths of these errors are upstream's: the list itself, without the place in it.
function downwardFileErrors(file: Source, path: string): FieldError[] {
  const errors = [
    ...present(`${path}.path`, file['path'] as string),
    ...nonReservedPathErrors(`${path}.path`, (file['path'] ?? '') as string),
  ]
  if (file['fieldRef'] !== undefined) {
    errors.push(...fieldReferenceErrors(file['fieldRef'] as FieldReference, `${path}.fieldRef`, 'volume'))
    if (file['resourceFieldRef'] !== undefined)
      errors.push(invalidValue(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
  } else if (file['resourceFieldRef'] !== undefined)
    errors.push(
      ...resourceReferenceErrors(file['resourceFieldRef'] as ResourceReference, `${path}.resourceFieldRef`, 'volume'),
    )
  else errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'))
  return [...errors, ...modeErrors(`${path}.mode`, file['mode'] as number | undefined)]
}

function projectedErrors(projected: Source, path: string): FieldError[] {
  const errors = modeErrors(`${path}.defaultMode`, projected['defaultMode'] as number | undefined)
  const paths = new Set<string>()
  const claim = (target: string, value: string): void => {
    if (target === '') return
    if (paths.has(target)) errors.push(invalidValue(path, value, 'conflicting duplicate paths'))
    paths.add(target)
  }
  for (const [index, source] of ((projected['sources'] ?? []) as Source[]).entries()) {
    const here = `${path}.sources[${index}]`
    for (const kind of ['secret', 'configMap'] as const) {
      const keyed = source[kind] as Source | undefined
      if (keyed === undefined) continue
      errors.push(...present(`${here}.${kind}.name`, keyed['name'] as string | undefined))
      errors.push(...keyToPathErrors((keyed['items'] ?? []) as Source[], `${here}.${kind}.items`))
      for (const item of (keyed['items'] ?? []) as Source[])
        claim((item['path'] ?? '') as string, keyed['name'] as string)
    }
    for (const file of (source['downwardAPI']?.items ?? []) as Source[]) {
      errors.push(...downwardFileErrors(file, `${here}.downwardAPI`))
      claim((file['path'] ?? '') as string, file['path'] as string)
    }
    if (source['serviceAccountToken'] !== undefined)
      errors.push(...tokenErrors(source['serviceAccountToken'] as Source, `${here}.serviceAccountToken`, path))
    if (source['clusterTrustBundle'] !== undefined)
      errors.push(...trustBundleErrors(source['clusterTrustBundle'] as Source, `${here}.clusterTrustBundle`))
    if (Object.values(source).filter((value) => value !== undefined).length > 1)
      errors.push(forbiddenField(here, 'may not specify more than 1 volume type per source'))
  }
  return errors
}

function tokenErrors(token: Source, path: string, volumePath: string): FieldError[] {
  const seconds = token['expirationSeconds'] as number
  const errors: FieldError[] = []
  if (seconds < tokenSecondsMin)
    errors.push(invalidValue(`${path}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
  if (seconds > tokenSecondsMax)
    errors.push(
      invalidValue(`${path}.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds'),
    )
  if (!token['path']) errors.push(required(`${volumePath}.path`))
  else errors.push(...nonReservedPathErrors(`${volumePath}.path`, token['path'] as string))
  return errors
}

function trustBundleErrors(bundle: Source, path: string): FieldError[] {
  const [byName, bySigner] = [bundle['name'] !== undefined, bundle['signerName'] !== undefined]
  const errors: FieldError[] = []
  if (byName && bySigner) errors.push(invalidValue(path, bundle, 'only one of name and signerName may be used'))
  else if (!byName && !bySigner) errors.push(required(path, 'either name or signerName must be specified'))
  else if (byName && bundle['labelSelector'] !== undefined)
    errors.push(
      invalidValue(
        `${path}.labelSelector`,
        bundle['labelSelector'],
        'labelSelector must be unset if name is specified',
      ),
    )
  else errors.push(...labelSelectorErrors(`${path}.labelSelector`, bundle['labelSelector'] as object | undefined))
  return [
    ...errors,
    ...present(`${path}.path`, bundle['path'] as string | undefined),
    ...nonReservedPathErrors(`${path}.path`, (bundle['path'] ?? '') as string),
  ]
}

/** A path that does not go up. */
export function backstepErrors(field: string, value: string): FieldError[] {
  return value.split('/').includes('..') ? [invalidValue(field, value, "must not contain '..'")] : []
}

/** A relative path that does not go up. */
export function localPathErrors(field: string, value: string): FieldError[] {
  const errors = value.startsWith('/') ? [invalidValue(field, value, 'must be a relative path')] : []
  return [...errors, ...backstepErrors(field, value)]
}

function nonReservedPathErrors(field: string, value: string): FieldError[] {
  const errors = localPathErrors(field, value)
  if (value.startsWith('..') && !value.startsWith('../') && value !== '..')
    errors.push(invalidValue(field, value, "must not start with '..'"))
  return errors
}
