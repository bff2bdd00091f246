import {
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  required,
  valueTooLong,
} from '@binnacle/apimachinery'
import type { Container, PodSpec } from '../generated/types.ts'
import { inRange, optionalOneOf, oneOf } from './field-checks.ts'
import { localPathErrors } from './volume-validation.ts'

/** Rules of security contexts of pods and containers. */

type ContainerContext = NonNullable<Container['securityContext']>

const idMax = 2_147_483_647
const sysctlCharactersMax = 253
const sysctlRegex = '([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const sysctlName = new RegExp(`^${sysctlRegex}$`)
const profilePathBytesMax = 4095
const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined']

/** Problems of a pod's security context. */
export function podSecurityErrors(spec: PodSpec, path: string): FieldError[] {
  const context = spec.securityContext
  if (context === undefined) return []
  const errors: FieldError[] = []
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup'] as const)
    errors.push(...inRange(`${path}.${field}`, context[field], 0, idMax))
  for (const [index, id] of (context.supplementalGroups ?? []).entries())
    errors.push(...inRange(`${path}.supplementalGroups[${index}]`, id, 0, idMax))
  if (spec.shareProcessNamespace === true && spec.hostPID === true)
    errors.push(
      invalidValue(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'),
    )
  errors.push(...sysctlErrors(spec, `${path}.sysctls`))
  errors.push(
    ...optionalOneOf(`${path}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']),
  )
  errors.push(...seccompErrors(context.seccompProfile, `${path}.seccompProfile`))
  errors.push(...appArmorErrors(context.appArmorProfile, `${path}.appArmorProfile`))
  errors.push(
    ...optionalOneOf(`${path}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict']),
    ...optionalOneOf(`${path}.seLinuxChangePolicy`, context.seLinuxChangePolicy, ['MountOption', 'Recursive']),
  )
  return errors
}

function sysctlErrors(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [index, { name }] of (spec.securityContext?.sysctls ?? []).entries()) {
    const field = `${path}[${index}].name`
    if (!name) errors.push(required(field))
    else if (name.length > sysctlCharactersMax || !sysctlName.test(name))
      errors.push(
        invalidValue(
          field,
          name,
          `must have at most ${sysctlCharactersMax} characters and match regex ^${sysctlRegex}$`,
        ),
      )
    else if (names.has(name)) errors.push(duplicate(field, name))
    names.add(name)
    const space = name.replaceAll('/', '.')
    if (spec.hostNetwork === true && space.startsWith('net.'))
      errors.push(invalidValue(field, name, "may not be specified when 'hostNetwork' is true"))
    else if (spec.hostIPC === true && /^(kernel\.(sem$|shm|msg)|fs\.mqueue\.)/.test(space))
      errors.push(invalidValue(field, name, "may not be specified when 'hostIPC' is true"))
  }
  return errors
}

/** Problems of a container's security context; `ownUsers` is true when the pod has a user namespace of its own. */
export function containerSecurityErrors(
  context: ContainerContext | undefined,
  path: string,
  ownUsers: boolean,
): FieldError[] {
  if (context === undefined) return []
  const errors = [
    ...inRange(`${path}.runAsUser`, context.runAsUser, 0, idMax),
    ...inRange(`${path}.runAsGroup`, context.runAsGroup, 0, idMax),
    ...optionalOneOf(`${path}.procMount`, context.procMount, ['Default', 'Unmasked']),
  ]
  if (context.procMount === 'Unmasked' && !ownUsers)
    errors.push(invalidValue(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`'))
  errors.push(...seccompErrors(context.seccompProfile, `${path}.seccompProfile`))
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true)
      errors.push(
        invalidValue(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
      )
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true)
      errors.push(
        invalidValue(
          path,
          context,
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      )
  }
  return [...errors, ...appArmorErrors(context.appArmorProfile, `${path}.appArmorProfile`)]
}

interface Profile {
  type: string
  localhostProfile?: string
}

function seccompErrors(profile: Profile | undefined, path: string): FieldError[] {
  if (profile === undefined) return []
  const errors = profile.type
    ? oneOf(`${path}.type`, profile.type, profileTypes)
    : [required(`${path}.type`, 'type is required when seccompProfile is set')]
  const local = profile.localhostProfile
  if (profile.type === 'Localhost') {
    if (local === undefined)
      errors.push(required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost'))
    else errors.push(...localPathErrors(`${path}.localhostProfile`, local))
  } else if (local !== undefined)
    errors.push(invalidValue(`${path}.localhostProfile`, profile, 'can only be set when seccomp type is Localhost'))
  return errors
}

function appArmorErrors(profile: Profile | undefined, path: string): FieldError[] {
  if (profile === undefined) return []
  const field = `${path}.localhostProfile`
  const local = profile.localhostProfile
  if (!profile.type) return [required(`${path}.type`, 'type is required when appArmorProfile is set')]
  if (profile.type !== 'Localhost') {
    const errors = oneOf(`${path}.type`, profile.type, profileTypes)
    if (errors.length === 0 && local !== undefined)
      errors.push(invalidValue(field, local, 'can only be set when AppArmor type is Localhost'))
    return errors
  }
  if (local === undefined || local === '') return [required(field, 'must be set when AppArmor type is Localhost')]
  const errors: FieldError[] = []
  if (local.trim() !== local) errors.push(invalidValue(field, local, 'must not be padded with whitespace'))
  if (local.length > profilePathBytesMax) errors.push(valueTooLong(field, profilePathBytesMax))
  return errors
}

/** What a pod with its own user namespace may not share with its host. */
export function hostUsersErrors(spec: PodSpec, path: string): FieldError[] {
  if (spec.hostUsers !== false) return []
  const why = 'when `pod.Spec.HostUsers` is false'
  return [
    ...(spec.hostNetwork === true ? [forbiddenField(`${path}.hostNetwork`, why)] : []),
    ...(spec.hostPID === true ? [forbiddenField(`${path}.HostPID`, why)] : []),
    ...(spec.hostIPC === true ? [forbiddenField(`${path}.HostIPC`, why)] : []),
  ]
}
