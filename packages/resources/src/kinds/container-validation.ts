import {
  configKeyProblems,
  dns1123SubdomainProblems,
  duplicate,
  envNameProblems,
  type FieldError,
  forbiddenField,
  httpHeaderNameProblems,
  invalidValue,
  maskTrailingDash,
  portNameProblems,
  portNumberProblems,
  required,
  valueNotFound,
} from '@binnacle/apimachinery'
import type { Container, ContainerPort, EnvVar, PodSpec, Probe, Volume, VolumeMount } from '../generated/types.ts'
import { fieldReferenceErrors, resourceReferenceErrors } from './downward-api-validation.ts'
import {
  labelErrors,
  nonNegative,
  oneOf,
  optionalOneOf,
  optionalText,
  portErrors,
  present,
  textErrors,
} from './field-checks.ts'
import { requirementErrors } from './resource-amounts-validation.ts'
import { containerSecurityErrors } from './security-context-validation.ts'
import { backstepErrors, localPathErrors } from './volume-validation.ts'

/** Rules of a pod's containers of all three sorts, as kube-apiserver's `validateContainers` and its siblings. */

const protocols = ['SCTP', 'TCP', 'UDP']
const initOnly = 'may not be set for init containers without restartPolicy=Always'
const probeFields = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const

/** What the containers of one pod share. */
interface PodContext {
  readonly spec: PodSpec
  readonly volumes: ReadonlyMap<string, Volume>
  readonly claimNames: ReadonlySet<string>
}

/** Every problem of a pod's containers. */
export function validateContainers(spec: PodSpec, path: string): FieldError[] {
  const context: PodContext = {
    spec,
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claimNames: new Set((spec.resourceClaims ?? []).map((claim) => claim.name)),
  }
  return [
    ...regularErrors(context, `${path}.containers`),
    ...initErrors(context, `${path}.initContainers`),
    ...ephemeralErrors(context, `${path}.ephemeralContainers`),
  ]
}

function regularErrors(context: PodContext, path: string): FieldError[] {
  const containers = context.spec.containers ?? []
  if (containers.length === 0) return [required(path)]
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, container] of containers.entries()) {
    const here = `${path}[${index}]`
    errors.push(...containerErrors(container, context, here))
    if (names.has(container.name)) errors.push(duplicate(`${here}.name`, container.name))
    names.add(container.name)
    errors.push(...runningErrors(container, context, here))
    if (container.restartPolicy !== undefined)
      errors.push(forbiddenField(`${here}.restartPolicy`, 'may not be set for non-init containers'))
  }
  return [...errors, ...hostPortErrors(containers, (index) => `${path}[${index}]`)]
}

function initErrors(context: PodContext, path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set((context.spec.containers ?? []).map((container) => container.name))
  for (const [index, container] of (context.spec.initContainers ?? []).entries()) {
    const here = `${path}[${index}]`
    errors.push(...containerErrors(container, context, here))
    errors.push(...optionalOneOf(`${here}.restartPolicy`, container.restartPolicy, ['Always']))
    if (names.has(container.name)) errors.push(duplicate(`${here}.name`, container.name))
    if (container.name) names.add(container.name)
    errors.push(...hostPortErrors([container], () => here))
    if (container.restartPolicy === 'Always') errors.push(...runningErrors(container, context, here))
    else
      for (const field of ['lifecycle', ...probeFields] as const)
        if (container[field] !== undefined) errors.push(forbiddenField(`${here}.${field}`, initOnly))
  }
  return errors
}

// What an ephemeral container may have at all; everything else is for containers that a pod relies on.
const ephemeralFields = new Set([
  'name',
  'image',
  'command',
  'args',
  'workingDir',
  'envFrom',
  'env',
  'volumeMounts',
  'volumeDevices',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'imagePullPolicy',
  'securityContext',
  'stdin',
  'stdinOnce',
  'tty',
  'targetContainerName',
])

function ephemeralErrors(context: PodContext, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { spec } = context
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((other) => other.name))
  const names = new Set(others)
  for (const [index, ephemeral] of (spec.ephemeralContainers ?? []).entries()) {
    const here = `${path}[${index}]`
    const container = ephemeral as unknown as Container
    errors.push(...containerErrors(container, context, here), ...paddedImageErrors(container, here))
    if (names.has(ephemeral.name)) errors.push(duplicate(`${here}.name`, ephemeral.name))
    names.add(ephemeral.name)
    const target = ephemeral.targetContainerName
    if (target && !others.has(target)) errors.push(valueNotFound(`${here}.targetContainerName`, target))
    for (const [field, value] of Object.entries(ephemeral)) {
      const isEmpty = value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0)
      if (!ephemeralFields.has(field) && !isEmpty)
        errors.push(forbiddenField(`${here}.${field}`, 'cannot be set for an Ephemeral Container'))
    }
    for (const [at, mount] of (ephemeral.volumeMounts ?? []).entries())
      for (const field of ['subPath', 'subPathExpr'] as const)
        if (mount[field])
          errors.push(
            forbiddenField(`${here}.volumeMounts[${at}].${field}`, 'cannot be set for an Ephemeral Container'),
          )
  }
  return errors
}

/** Pods, unlike templates, may not have blanks around the names of images. */
export function paddedImageErrors(container: { readonly image?: string }, path: string): FieldError[] {
  const { image = '' } = container
  return image.trim() === image
    ? []
    : [invalidValue(`${path}.image`, image, 'must not have leading or trailing whitespace')]
}

function containerErrors(container: Container, context: PodContext, path: string): FieldError[] {
  const { spec } = context
  return [
    ...(container.name ? labelErrors(`${path}.name`, container.name) : [required(`${path}.name`)]),
    ...present(`${path}.image`, container.image),
    ...oneOf(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']),
    ...containerPortErrors(container.ports ?? [], `${path}.ports`),
    ...envErrors(container.env ?? [], `${path}.env`),
    ...envFromErrors(container, `${path}.envFrom`),
    ...mountErrors(container, context, `${path}.volumeMounts`),
    ...deviceErrors(container, context, `${path}.volumeDevices`),
    ...oneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...requirementErrors(container.resources ?? {}, `${path}.resources`, context.claimNames),
    ...resizePolicyErrors(container, spec.restartPolicy, `${path}.resizePolicy`),
    ...containerSecurityErrors(container.securityContext, `${path}.securityContext`, spec.hostUsers === false),
  ]
}

/** Ports that two containers, or one container twice, want of the host. */
function hostPortErrors(containers: readonly Container[], pathOf: (index: number) => string): FieldError[] {
  const errors: FieldError[] = []
  const taken = new Set<string>()
  for (const [index, container] of containers.entries()) {
    for (const [at, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue
      const key = `${port.protocol ?? ''}/${port.hostIP ?? ''}/${port.hostPort}`
      if (taken.has(key)) errors.push(duplicate(`${pathOf(index)}.ports[${at}].hostPort`, key))
      taken.add(key)
    }
  }
  return errors
}

function containerPortErrors(ports: readonly ContainerPort[], path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const here = `${path}[${index}]`
    if (port.name) {
      const problems = portNameProblems(port.name)
      for (const problem of problems) errors.push(invalidValue(`${here}.name`, port.name, problem))
      if (problems.length === 0 && names.has(port.name)) errors.push(duplicate(`${here}.name`, port.name))
      names.add(port.name)
    }
    if (!port.containerPort) errors.push(required(`${here}.containerPort`))
    for (const field of ['containerPort', 'hostPort'] as const) {
      const value = port[field]
      if (value)
        for (const problem of portNumberProblems(value)) errors.push(invalidValue(`${here}.${field}`, value, problem))
    }
    errors.push(...oneOf(`${here}.protocol`, port.protocol, protocols))
  }
  return errors
}

function envErrors(env: readonly EnvVar[], path: string): FieldError[] {
  return env.flatMap((variable, index) => {
    const here = `${path}[${index}]`
    return [
      ...(variable.name ? textErrors(`${here}.name`, variable.name, envNameProblems) : [required(`${here}.name`)]),
      ...envSourceErrors(variable, `${here}.valueFrom`),
    ]
  })
}

function envSourceErrors(variable: EnvVar, path: string): FieldError[] {
  const source = variable.valueFrom
  if (source === undefined) return []
  const errors: FieldError[] = []
  if (source.fieldRef !== undefined) errors.push(...fieldReferenceErrors(source.fieldRef, `${path}.fieldRef`, 'env'))
  if (source.resourceFieldRef !== undefined)
    errors.push(...resourceReferenceErrors(source.resourceFieldRef, `${path}.resourceFieldRef`, 'env'))
  for (const field of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = source[field]
    if (reference === undefined) continue
    errors.push(...textErrors(`${path}.${field}.name`, reference.name ?? '', dns1123SubdomainProblems))
    errors.push(
      ...(reference.key
        ? textErrors(`${path}.${field}.key`, reference.key, configKeyProblems)
        : [required(`${path}.${field}.key`)]),
    )
  }
  const sources = Object.values(source).filter((value) => value !== undefined).length
  if (sources === 0)
    errors.push(
      invalidValue(
        path,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
      ),
    )
  else if (variable.value) errors.push(invalidValue(path, '', 'may not be specified when `value` is not empty'))
  else if (sources > 1) errors.push(invalidValue(path, '', 'may not have more than one field specified at a time'))
  return errors
}

function envFromErrors(container: Container, path: string): FieldError[] {
  return (container.envFrom ?? []).flatMap((source, index) => {
    const here = `${path}[${index}]`
    const errors = optionalText(`${here}.prefix`, source.prefix, envNameProblems)
    for (const field of ['configMapRef', 'secretRef'] as const) {
      const reference = source[field]
      if (reference === undefined) continue
      const name = reference.name ?? ''
      if (name === '') errors.push(required(`${here}.${field}.name`))
      for (const problem of name === '' ? [] : dns1123SubdomainProblems(maskTrailingDash(name)))
        errors.push(invalidValue(`${here}.${field}.name`, name, problem))
    }
    if (source.configMapRef === undefined && source.secretRef === undefined)
      errors.push(invalidValue(path, '', 'must specify one of: `configMapRef` or `secretRef`'))
    if (source.configMapRef !== undefined && source.secretRef !== undefined)
      errors.push(invalidValue(path, '', 'may not have more than one field specified at a time'))
    return errors
  })
}

function mountErrors(container: Container, { volumes }: PodContext, path: string): FieldError[] {
  const errors: FieldError[] = []
  const paths = new Set<string>()
  const devices = container.volumeDevices ?? []
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const here = `${path}[${index}]`
    const { name, mountPath } = mount
    if (!name) errors.push(required(`${here}.name`))
    if (!volumes.has(name)) errors.push(valueNotFound(`${here}.name`, name ?? ''))
    if (!mountPath) errors.push(required(`${here}.mountPath`))
    if (paths.has(mountPath)) errors.push(invalidValue(`${here}.mountPath`, mountPath, 'must be unique'))
    paths.add(mountPath)
    if (devices.some((device) => device.name === name))
      errors.push(invalidValue(`${here}.name`, name, 'must not already exist in volumeDevices'))
    if (devices.some((device) => device.devicePath === mountPath))
      errors.push(invalidValue(`${here}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices'))
    errors.push(...mountDetailErrors(mount, container, path, here))
  }
  return errors
}

// Some of these problems are reported at the list itself: so does upstream.
function mountDetailErrors(mount: VolumeMount, container: Container, list: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { subPath = '', subPathExpr = '', mountPropagation, recursiveReadOnly } = mount
  errors.push(...localPathErrors(`${list}.subPath`, subPath))
  if (subPath !== '' && subPathExpr !== '')
    errors.push(invalidValue(`${path}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
  errors.push(...localPathErrors(`${list}.subPathExpr`, subPathExpr))
  errors.push(
    ...optionalOneOf(`${list}.mountPropagation`, mountPropagation, ['Bidirectional', 'HostToContainer', 'None']),
  )
  if (mountPropagation === 'Bidirectional' && container.securityContext?.privileged !== true)
    errors.push(
      forbiddenField(
        `${list}.mountPropagation`,
        'Bidirectional mount propagation is available only to privileged containers',
      ),
    )
  const field = `${list}.recursiveReadOnly`
  errors.push(...optionalOneOf(field, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']))
  if (recursiveReadOnly === 'Enabled' || recursiveReadOnly === 'IfPossible') {
    if (mount.readOnly !== true) errors.push(forbiddenField(field, 'may only be specified when readOnly is true'))
    if (mountPropagation !== undefined && mountPropagation !== 'None')
      errors.push(forbiddenField(field, 'may only be specified when mountPropagation is None or not specified'))
  }
  return errors
}

function deviceErrors(container: Container, { volumes }: PodContext, path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  const paths = new Set<string>()
  const mounts = container.volumeMounts ?? []
  for (const [index, { name, devicePath }] of (container.volumeDevices ?? []).entries()) {
    const here = `${path}[${index}]`
    const volume = volumes.get(name)
    if (!name) errors.push(required(`${here}.name`))
    if (names.has(name)) errors.push(invalidValue(`${here}.name`, name, 'must be unique'))
    if (volume === undefined) errors.push(valueNotFound(`${here}.name`, name ?? ''))
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined)
      errors.push(
        invalidValue(
          `${here}.name`,
          name,
          'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
        ),
      )
    if (!devicePath) errors.push(required(`${here}.devicePath`))
    if (paths.has(devicePath)) errors.push(invalidValue(`${here}.devicePath`, devicePath, 'must be unique'))
    if (devicePath && backstepErrors('', devicePath).length > 0)
      errors.push(invalidValue(`${here}.devicePath`, devicePath, "can not contain backsteps ('..')"))
    names.add(name)
    paths.add(devicePath)
    if (mounts.some((mount) => mount.name === name))
      errors.push(invalidValue(`${here}.name`, name, 'must not already exist in volumeMounts'))
    if (mounts.some((mount) => mount.mountPath === devicePath))
      errors.push(invalidValue(`${here}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'))
  }
  return errors
}

function resizePolicyErrors(container: Container, podRestartPolicy: string | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, { resourceName, restartPolicy }] of (container.resizePolicy ?? []).entries()) {
    if (seen.has(resourceName)) errors.push(duplicate(`${path}[${index}]`, resourceName))
    seen.add(resourceName)
    errors.push(...oneOf(path, resourceName, ['cpu', 'memory']))
    errors.push(...oneOf(path, restartPolicy, ['NotRequired', 'RestartContainer']))
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired')
      errors.push(invalidValue(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"))
  }
  return errors
}

/** What only containers that keep running have: hooks and probes. */
function runningErrors(container: Container, { spec }: PodContext, path: string): FieldError[] {
  const errors: FieldError[] = []
  const grace = spec.terminationGracePeriodSeconds
  for (const hook of ['postStart', 'preStop'] as const) {
    const handler = container.lifecycle?.[hook]
    if (handler !== undefined) errors.push(...handlerErrors(handler, `${path}.lifecycle.${hook}`, grace))
  }
  for (const field of probeFields) {
    const probe = container[field]
    if (probe === undefined) continue
    const here = `${path}.${field}`
    errors.push(...probeErrors(probe, here))
    if (field !== 'readinessProbe') {
      if (probe.successThreshold !== 1)
        errors.push(invalidValue(`${here}.successThreshold`, probe.successThreshold ?? 0, 'must be 1'))
    } else if (probe.terminationGracePeriodSeconds !== undefined)
      errors.push(
        invalidValue(
          `${here}.terminationGracePeriodSeconds`,
          probe.terminationGracePeriodSeconds,
          'must not be set for readinessProbes',
        ),
      )
  }
  return errors
}

function probeErrors(probe: Probe, path: string): FieldError[] {
  const errors = handlerErrors(probe, path, undefined)
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const)
    errors.push(...nonNegative(`${path}.${field}`, probe[field]))
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0)
    errors.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  return errors
}

interface Handler {
  exec?: { command?: string[] }
  httpGet?: { path?: string; port: number | string; scheme?: string; httpHeaders?: { name: string }[] }
  tcpSocket?: { port: number | string }
  grpc?: { port: number }
  sleep?: { seconds: number }
}
const handlerNames = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const

function handlerErrors(handler: Handler, path: string, graceSeconds: number | undefined): FieldError[] {
  const [first, ...more] = handlerNames.filter((name) => handler[name] !== undefined)
  if (first === undefined) return [required(path, 'must specify a handler type')]
  return [
    ...actionErrors(handler, first, `${path}.${first}`, graceSeconds),
    ...more.map((name) => forbiddenField(`${path}.${name}`, 'may not specify more than 1 handler type')),
  ]
}

function actionErrors(
  handler: Handler,
  name: (typeof handlerNames)[number],
  path: string,
  graceSeconds: number | undefined,
): FieldError[] {
  switch (name) {
    case 'exec':
      return (handler.exec?.command ?? []).length === 0 ? [required(`${path}.command`)] : []
    case 'httpGet':
      return [
        ...present(`${path}.path`, handler.httpGet?.path),
        ...portErrors(`${path}.port`, handler.httpGet?.port),
        ...optionalOneOf(`${path}.scheme`, handler.httpGet?.scheme ?? '', ['HTTP', 'HTTPS']),
        ...(handler.httpGet?.httpHeaders ?? []).flatMap((header) =>
          textErrors(`${path}.httpHeaders`, header.name ?? '', httpHeaderNameProblems),
        ),
      ]
    case 'tcpSocket':
    case 'grpc':
      return portErrors(`${path}.port`, handler[name]?.port)
    case 'sleep': {
      const seconds = handler.sleep?.seconds ?? 0
      const fits = graceSeconds === undefined || (seconds >= 0 && seconds <= graceSeconds)
      return fits
        ? []
        : [
            invalidValue(
              path,
              seconds,
              `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`,
            ),
          ]
    }
  }
}
