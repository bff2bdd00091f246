import type { Volume } from '@binnacle/resources'
import { procMount, seccomp } from './baseline.ts'
import {
  type Check,
  type CheckedContainer,
  type CheckedPod,
  containersOf,
  containersWhere,
  hasOwnUsers,
  isForWindows,
  named,
  plural,
  quoted,
  settersText,
  sorted,
  type Violation,
} from './check.ts'

type Rule = (pod: CheckedPod) => Violation | undefined

const butForWindows =
  (rule: Rule): Rule =>
  (pod) =>
    isForWindows(pod) ? undefined : rule(pod)
const butWithOwnUsers =
  (rule: Rule): Rule =>
  (pod) =>
    hasOwnUsers(pod) ? undefined : rule(pod)

/** What the level restricted adds to baseline (Pod Security Standards; pod-security-admission `policy/check_*.go`). */
export const restrictedChecks: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      { since: 8, violationOf: privilegeEscalation },
      { since: 25, violationOf: butForWindows(privilegeEscalation) },
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    versions: [
      { since: 22, replaces: 'capabilities_baseline', violationOf: capabilities },
      { since: 25, replaces: 'capabilities_baseline', violationOf: butForWindows(capabilities) },
    ],
  },
  {
    id: 'procMount_restricted',
    level: 'restricted',
    versions: [{ since: 35, replaces: 'procMount', violationOf: procMount }],
  },
  {
    id: 'restrictedVolumes',
    level: 'restricted',
    versions: [{ since: 0, replaces: 'hostPathVolumes', violationOf: volumes }],
  },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      { since: 0, violationOf: runAsNonRoot },
      { since: 35, violationOf: butWithOwnUsers(runAsNonRoot) },
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      { since: 23, violationOf: runAsUser },
      { since: 35, violationOf: butWithOwnUsers(runAsUser) },
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    versions: [
      { since: 19, replaces: 'seccompProfile_baseline', violationOf: seccompRequired },
      { since: 25, replaces: 'seccompProfile_baseline', violationOf: butForWindows(seccompRequired) },
    ],
  },
]

function privilegeEscalation(pod: CheckedPod): Violation | undefined {
  const names = containersWhere(pod, (context) => context?.allowPrivilegeEscalation !== false)
  if (names.length === 0) return undefined
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${named('container', names)} must set securityContext.allowPrivilegeEscalation=false`,
  }
}

function capabilities(pod: CheckedPod): Violation | undefined {
  const addedBy = ({ securityContext }: CheckedContainer): string[] =>
    (securityContext?.capabilities?.add ?? []).filter((capability) => capability !== 'NET_BIND_SERVICE')
  const keeping = containersWhere(pod, (context) => context?.capabilities?.drop?.includes('ALL') !== true)
  const adding = containersOf(pod).filter((container) => addedBy(container).length > 0)
  const names = adding.map(({ name }) => name)
  const added = quoted(sorted(adding.flatMap(addedBy)))
  const details = [
    ...(keeping.length === 0
      ? []
      : [`${named('container', keeping)} must set securityContext.capabilities.drop=["ALL"]`]),
    ...(adding.length === 0
      ? []
      : [`${named('container', names)} must not include ${added} in securityContext.capabilities.add`]),
  ]
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') }
}

const allowedVolumes =
  'configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret'.split(' ')

function volumes({ spec }: CheckedPod): Violation | undefined {
  const typeOf = (volume: Volume): string => Object.keys(volume).find((field) => field !== 'name') ?? 'unknown'
  const bad = (spec.volumes ?? []).filter((volume) => !allowedVolumes.some((type) => type in volume))
  if (bad.length === 0) return undefined
  const names = bad.map(({ name }) => name)
  const types = sorted(bad.map(typeOf))
  const uses = bad.length === 1 ? 'uses' : 'use'
  return {
    reason: 'restricted volume types',
    detail: `${named('volume', names)} ${uses} ${plural('restricted volume type', types.length)} ${quoted(types)}`,
  }
}

function runAsNonRoot(pod: CheckedPod): Violation | undefined {
  const ofPod = pod.spec.securityContext?.runAsNonRoot
  const reason = 'runAsNonRoot != true'
  const setters = settersText(
    ofPod === false,
    containersWhere(pod, (context) => context?.runAsNonRoot === false),
  )
  if (setters !== '') return { reason, detail: `${setters} must not set securityContext.runAsNonRoot=false` }
  const silent = ofPod === true ? [] : containersWhere(pod, (context) => context?.runAsNonRoot === undefined)
  if (silent.length === 0) return undefined
  return { reason, detail: `pod or ${named('container', silent)} must set securityContext.runAsNonRoot=true` }
}

function runAsUser(pod: CheckedPod): Violation | undefined {
  const setters = settersText(
    pod.spec.securityContext?.runAsUser === 0,
    containersWhere(pod, (context) => context?.runAsUser === 0),
  )
  return setters === '' ? undefined : { reason: 'runAsUser=0', detail: `${setters} must not set runAsUser=0` }
}

function seccompRequired(pod: CheckedPod): Violation | undefined {
  const bad = seccomp(pod)
  if (bad !== undefined) return bad
  const isSet = pod.spec.securityContext?.seccompProfile !== undefined
  const silent = isSet ? [] : containersWhere(pod, (context) => context?.seccompProfile === undefined)
  if (silent.length === 0) return undefined
  return {
    reason: 'seccompProfile',
    detail: `pod or ${named('container', silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  }
}
