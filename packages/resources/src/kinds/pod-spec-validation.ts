import {
  compareQuantities,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  duplicate,
  envNameProblems,
  type FieldError,
  forbiddenField,
  invalidValue,
  labelValueProblems,
  notSupported,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
  required,
  tryParseQuantity,
  valueNotFound,
} from '@binnacle/apimachinery'
import type { Container, ContainerPort, EnvVar, PodSpec, Probe, Toleration, Volume } from '../generated/types.ts'

/** Rules of a pod's spec, with the paths and texts of kube-apiserver's `ValidatePodSpec`. */

/** Every problem of a spec; `path` is where it stands (`spec`, `spec.template.spec`). */
export function validatePodSpec(spec: PodSpec | undefined, path: string): FieldError[] {
  if (spec === undefined) return [required(`${path}.containers`)]
  const errors: FieldError[] = []
  const volumes = new Set((spec.volumes ?? []).map((volume) => volume.name))
  errors.push(...validateVolumes(spec.volumes ?? [], `${path}.volumes`))
  errors.push(...validateContainers(spec, volumes, path))
  errors.push(...oneOf(`${path}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']))
  errors.push(
    ...oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']),
  )
  errors.push(...textProblems(`${path}.serviceAccountName`, spec.serviceAccountName, dns1123SubdomainProblems))
  errors.push(...textProblems(`${path}.nodeName`, spec.nodeName, dns1123SubdomainProblems))
  errors.push(...textProblems(`${path}.hostname`, spec.hostname, dns1123LabelProblems))
  errors.push(...textProblems(`${path}.subdomain`, spec.subdomain, dns1123LabelProblems))
  errors.push(...textProblems(`${path}.priorityClassName`, spec.priorityClassName, dns1123SubdomainProblems))
  if (
    spec.activeDeadlineSeconds !== undefined &&
    (spec.activeDeadlineSeconds < 1 || spec.activeDeadlineSeconds > 2_147_483_647)
  ) {
    errors.push(
      invalidValue(
        `${path}.activeDeadlineSeconds`,
        spec.activeDeadlineSeconds,
        'must be between 1 and 2147483647, inclusive',
      ),
    )
  }
  if (spec.terminationGracePeriodSeconds !== undefined && spec.terminationGracePeriodSeconds < 0) {
    errors.push(
      invalidValue(
        `${path}.terminationGracePeriodSeconds`,
        spec.terminationGracePeriodSeconds,
        'must be greater than or equal to 0',
      ),
    )
  }
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalidValue(`${path}.nodeSelector`, key, problem))
    for (const problem of labelValueProblems(value)) errors.push(invalidValue(`${path}.nodeSelector`, value, problem))
  }
  for (const [index, toleration] of (spec.tolerations ?? []).entries())
    errors.push(...validateToleration(toleration, `${path}.tolerations[${index}]`))
  errors.push(...validateSpread(spec, `${path}.topologySpreadConstraints`))
  return errors
}

function oneOf(field: string, value: string | undefined, allowed: readonly string[]): FieldError[] {
  if (value === undefined || value === '') return [required(field)]
  return allowed.includes(value) ? [] : [notSupported(field, value, allowed)]
}

function textProblems(field: string, value: string | undefined, problemsOf: (value: string) => string[]): FieldError[] {
  return value === undefined || value === ''
    ? []
    : problemsOf(value).map((problem) => invalidValue(field, value, problem))
}

function validateVolumes(volumes: readonly Volume[], path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, volume] of volumes.entries()) {
    const here = `${path}[${index}]`
    if (!volume.name) errors.push(required(`${here}.name`))
    else {
      errors.push(...textProblems(`${here}.name`, volume.name, dns1123LabelProblems))
      if (names.has(volume.name)) errors.push(duplicate(`${here}.name`, volume.name))
    }
    names.add(volume.name)
    const sources = Object.entries(volume).filter(([key, value]) => key !== 'name' && value !== undefined)
    if (sources.length === 0) errors.push(required(here, 'must specify a volume type'))
    for (const [source] of sources.slice(1))
      errors.push(forbiddenField(`${here}.${source}`, 'may not specify more than 1 volume type'))
    if (volume.secret !== undefined && !volume.secret.secretName) errors.push(required(`${here}.secret.secretName`))
    if (volume.configMap !== undefined && !volume.configMap.name) errors.push(required(`${here}.configMap.name`))
    if (volume.hostPath !== undefined && !volume.hostPath.path) errors.push(required(`${here}.hostPath.path`))
    if (volume.persistentVolumeClaim !== undefined && !volume.persistentVolumeClaim.claimName)
      errors.push(required(`${here}.persistentVolumeClaim.claimName`))
  }
  return errors
}

function validateContainers(spec: PodSpec, volumes: ReadonlySet<string>, path: string): FieldError[] {
  const errors: FieldError[] = []
  if ((spec.containers ?? []).length === 0) errors.push(required(`${path}.containers`))
  const names = new Set<string>()
  for (const [field, list] of [
    ['containers', spec.containers ?? []],
    ['initContainers', spec.initContainers ?? []],
  ] as const) {
    const ports = new Set<string>()
    for (const [index, container] of list.entries()) {
      const here = `${path}.${field}[${index}]`
      if (container.name && names.has(container.name)) errors.push(duplicate(`${here}.name`, container.name))
      names.add(container.name)
      errors.push(...validateContainer(container, volumes, here, field === 'initContainers'))
      for (const [at, port] of (container.ports ?? []).entries()) {
        if (!port.hostPort) continue
        const key = `${port.protocol ?? 'TCP'}/${port.hostIP ?? ''}/${port.hostPort}`
        if (ports.has(key)) errors.push(duplicate(`${here}.ports[${at}].hostPort`, key))
        ports.add(key)
      }
    }
  }
  return errors
}

function validateContainer(
  container: Container,
  volumes: ReadonlySet<string>,
  path: string,
  isInit: boolean,
): FieldError[] {
  const errors: FieldError[] = []
  if (!container.name) errors.push(required(`${path}.name`))
  else errors.push(...textProblems(`${path}.name`, container.name, dns1123LabelProblems))
  if (!container.image) errors.push(required(`${path}.image`))
  else if (container.image.trim() !== container.image)
    errors.push(invalidValue(`${path}.image`, container.image, 'must not have leading or trailing whitespace'))
  errors.push(...oneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']))
  errors.push(
    ...oneOf(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']),
  )
  if (isInit && container.restartPolicy !== undefined && container.restartPolicy !== 'Always')
    errors.push(notSupported(`${path}.restartPolicy`, container.restartPolicy, ['Always']))
  errors.push(...validatePorts(container.ports ?? [], `${path}.ports`))
  errors.push(...validateEnv(container.env ?? [], `${path}.env`))
  errors.push(...validateMounts(container, volumes, `${path}.volumeMounts`))
  errors.push(...validateResources(container, `${path}.resources`))
  const mayProbe = !isInit || container.restartPolicy === 'Always'
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[name]
    if (probe === undefined) continue
    if (!mayProbe)
      errors.push(forbiddenField(`${path}.${name}`, 'may not be set for init containers without restartPolicy=Always'))
    else errors.push(...validateProbe(probe, `${path}.${name}`, name !== 'readinessProbe'))
  }
  return errors
}

function validatePorts(ports: readonly ContainerPort[], path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const here = `${path}[${index}]`
    if (port.name) {
      for (const problem of portNameProblems(port.name)) errors.push(invalidValue(`${here}.name`, port.name, problem))
      if (names.has(port.name)) errors.push(duplicate(`${here}.name`, port.name))
      names.add(port.name)
    }
    if (!port.containerPort) errors.push(required(`${here}.containerPort`))
    else
      for (const problem of portNumberProblems(port.containerPort))
        errors.push(invalidValue(`${here}.containerPort`, port.containerPort, problem))
    if (port.hostPort)
      for (const problem of portNumberProblems(port.hostPort))
        errors.push(invalidValue(`${here}.hostPort`, port.hostPort, problem))
    errors.push(...oneOf(`${here}.protocol`, port.protocol, ['TCP', 'UDP', 'SCTP']))
  }
  return errors
}

function validateEnv(env: readonly EnvVar[], path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [index, variable] of env.entries()) {
    const here = `${path}[${index}]`
    if (!variable.name) errors.push(required(`${here}.name`))
    else
      for (const problem of envNameProblems(variable.name))
        errors.push(invalidValue(`${here}.name`, variable.name, problem))
    const source = variable.valueFrom
    if (source === undefined) continue
    const kinds = Object.values(source).filter((value) => value !== undefined).length
    if (variable.value)
      errors.push(invalidValue(`${here}.valueFrom`, '', 'may not be specified when `value` is not empty'))
    if (kinds === 0)
      errors.push(
        invalidValue(
          `${here}.valueFrom`,
          '',
          'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
        ),
      )
    if (kinds > 1)
      errors.push(invalidValue(`${here}.valueFrom`, '', 'may not have more than one field specified at a time'))
    for (const reference of ['configMapKeyRef', 'secretKeyRef'] as const) {
      if (source[reference] !== undefined && !source[reference].key)
        errors.push(required(`${here}.valueFrom.${reference}.key`))
    }
  }
  return errors
}

function validateMounts(container: Container, volumes: ReadonlySet<string>, path: string): FieldError[] {
  const errors: FieldError[] = []
  const paths = new Set<string>()
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const here = `${path}[${index}]`
    if (!mount.name) errors.push(required(`${here}.name`))
    else if (!volumes.has(mount.name)) errors.push(valueNotFound(`${here}.name`, mount.name))
    if (!mount.mountPath) errors.push(required(`${here}.mountPath`))
    else if (paths.has(mount.mountPath))
      errors.push(invalidValue(`${here}.mountPath`, mount.mountPath, 'must be unique'))
    paths.add(mount.mountPath)
  }
  return errors
}

function validateResources(container: Container, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { limits = {}, requests = {} } = container.resources ?? {}
  for (const [field, amounts] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const [name, amount] of Object.entries(amounts)) {
      const here = `${path}.${field}[${name}]`
      for (const problem of qualifiedNameProblems(name)) errors.push(invalidValue(here, name, problem))
      const quantity = tryParseQuantity(amount)
      if (quantity === undefined)
        errors.push(
          invalidValue(
            here,
            amount,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
          ),
        )
      else if (quantity.nanos < 0n) errors.push(invalidValue(here, amount, 'must be greater than or equal to 0'))
    }
  }
  for (const [name, amount] of Object.entries(requests)) {
    const [request, limit] = [
      tryParseQuantity(amount),
      limits[name] === undefined ? undefined : tryParseQuantity(limits[name]),
    ]
    if (request !== undefined && limit !== undefined && compareQuantities(request, limit) > 0) {
      errors.push(
        invalidValue(`${path}.requests`, amount, `must be less than or equal to ${name} limit of ${limits[name]}`),
      )
    }
  }
  return errors
}

const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const

function validateProbe(probe: Probe, path: string, onlyOneSuccess: boolean): FieldError[] {
  const errors: FieldError[] = []
  const used = handlers.filter((handler) => probe[handler] !== undefined)
  if (used.length === 0) errors.push(required(path, 'must specify a handler type'))
  for (const handler of used.slice(1))
    errors.push(forbiddenField(`${path}.${handler}`, 'may not specify more than 1 handler type'))
  if (probe.exec !== undefined && (probe.exec.command ?? []).length === 0) errors.push(required(`${path}.exec.command`))
  for (const name of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    const value = probe[name]
    if (value !== undefined && value < 0)
      errors.push(invalidValue(`${path}.${name}`, value, 'must be greater than or equal to 0'))
  }
  if (onlyOneSuccess && probe.successThreshold !== undefined && probe.successThreshold !== 1)
    errors.push(invalidValue(`${path}.successThreshold`, probe.successThreshold, 'must be 1'))
  return errors
}

function validateToleration(toleration: Toleration, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (toleration.key)
    for (const problem of qualifiedNameProblems(toleration.key))
      errors.push(invalidValue(`${path}.key`, toleration.key, problem))
  const operator = toleration.operator || 'Equal'
  if (!toleration.key && operator !== 'Exists')
    errors.push(
      invalidValue(
        `${path}.operator`,
        toleration.operator ?? '',
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    )
  if (toleration.tolerationSeconds !== undefined && toleration.effect !== 'NoExecute')
    errors.push(
      invalidValue(
        `${path}.effect`,
        toleration.effect ?? '',
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
      ),
    )
  if (operator === 'Exists' && toleration.value)
    errors.push(invalidValue(`${path}.operator`, toleration.value, "value must be empty when `operator` is 'Exists'"))
  if (!['Equal', 'Exists', 'Lt', 'Gt'].includes(operator))
    errors.push(notSupported(`${path}.operator`, operator, ['Equal', 'Exists']))
  if (toleration.effect && !['NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(toleration.effect))
    errors.push(notSupported(`${path}.effect`, toleration.effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']))
  return errors
}

function validateSpread(spec: PodSpec, path: string): FieldError[] {
  return (spec.topologySpreadConstraints ?? []).flatMap((constraint, index) => {
    const here = `${path}[${index}]`
    const errors: FieldError[] = []
    if (constraint.maxSkew <= 0)
      errors.push(invalidValue(`${here}.maxSkew`, constraint.maxSkew, 'must be greater than zero'))
    if (!constraint.topologyKey) errors.push(required(`${here}.topologyKey`, 'can not be empty'))
    if (!['DoNotSchedule', 'ScheduleAnyway'].includes(constraint.whenUnsatisfiable))
      errors.push(
        notSupported(`${here}.whenUnsatisfiable`, constraint.whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']),
      )
    return errors
  })
}
