import type { PodSpec } from '@binnacle/resources'
import { describe, expect, it } from 'vitest'
import { detailsText, levelVersionText, policyOf, violationsOf } from './policy.ts'

const latest = Number.POSITIVE_INFINITY
const prefix = 'pod-security.kubernetes.io/'
const labels = (given: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(given).map(([key, value]) => [prefix + key, value]))

describe('the labels of a namespace', () => {
  const textOf = (given: Record<string, string>): string => {
    const policy = policyOf(labels(given))
    return (['enforce', 'audit', 'warn'] as const).map((mode) => levelVersionText(policy[mode])).join(' ')
  }

  it.each([
    [{}, 'privileged:latest privileged:latest privileged:latest'],
    [{ enforce: 'restricted' }, 'restricted:latest privileged:latest restricted:latest'],
    [{ enforce: 'baseline', 'enforce-version': 'v1.24' }, 'baseline:v1.24 privileged:latest baseline:v1.24'],
    [{ enforce: 'baseline', 'warn-version': 'v1.24' }, 'baseline:latest privileged:latest baseline:v1.24'],
    [{ enforce: 'baseline', warn: 'privileged' }, 'baseline:latest privileged:latest privileged:latest'],
    [{ enforce: 'baseline', warn: 'restricted' }, 'baseline:latest privileged:latest restricted:latest'],
    [{ audit: 'restricted', 'audit-version': 'v1.5' }, 'privileged:latest restricted:v1.5 privileged:latest'],
    [{ enforce: 'strict', warn: 'strict' }, 'restricted:latest privileged:latest privileged:latest'],
  ])('%j mean %s', (given, text) => {
    expect(textOf(given)).toBe(text)
  })

  it('are told when they make no sense', () => {
    expect(policyOf(labels({ enforce: 'strict', 'warn-version': '1.5' })).errors).toEqual([
      {
        type: 'FieldValueInvalid',
        field: 'metadata.labels[pod-security.kubernetes.io/enforce]',
        message: 'Invalid value: "strict": must be one of privileged, baseline, restricted',
      },
      {
        type: 'FieldValueInvalid',
        field: 'metadata.labels[pod-security.kubernetes.io/warn-version]',
        message: 'Invalid value: "1.5": must be "latest" or "v1.x"',
      },
    ])
  })
})

const hardened = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
}
type Context = NonNullable<PodSpec['containers'][number]['securityContext']>
const container = (rest: object = {}, context: Context = hardened) => ({
  name: 'c',
  image: 'i',
  securityContext: context,
  ...rest,
})
const withContext = (context: Context): PodSpec => ({ containers: [container({}, { ...hardened, ...context })] })
const withVolume = (source: object): PodSpec => ({ containers: [container()], volumes: [{ name: 'v', ...source }] })
const ofPod = (securityContext: object): PodSpec => ({ containers: [container()], securityContext })

function told(level: 'baseline' | 'restricted', spec: PodSpec, minor = latest, annotations = {}): string {
  return detailsText(violationsOf({ level, minor }, { annotations, spec }))
}

describe('baseline', () => {
  it('and restricted let a hardened pod through', () => {
    expect(told('restricted', { containers: [container()] })).toBe('')
  })

  it.each<[PodSpec, string]>([
    [
      { containers: [container()], hostNetwork: true, hostPID: true },
      'host namespaces (hostNetwork=true, hostPID=true)',
    ],
    [withContext({ privileged: true }), 'privileged (container "c" must not set securityContext.privileged=true)'],
    [withVolume({ hostPath: { path: '/' } }), 'hostPath volumes (volume "v")'],
    [
      {
        containers: [
          container({
            ports: [
              { containerPort: 1, hostPort: 9 },
              { containerPort: 2, hostPort: 10 },
            ],
          }),
        ],
      },
      'hostPort (container "c" uses hostPorts 10, 9)',
    ],
    [
      withContext({ capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'CHOWN', 'BPF'] } }),
      'non-default capabilities (container "c" must not include "BPF", "NET_ADMIN" in securityContext.capabilities.add)',
    ],
    [
      withContext({ procMount: 'Unmasked' }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
    [
      withContext({ appArmorProfile: { type: 'Unconfined' } }),
      'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
    ],
    [
      {
        ...withContext({ seLinuxOptions: { type: 'spc_t', user: 'u' } }),
        securityContext: { seLinuxOptions: { role: 'r' } },
      },
      'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set)',
    ],
    [
      ofPod({ seccompProfile: { type: 'Unconfined' } }),
      'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [ofPod({ sysctls: [{ name: 'kernel.msgmax', value: '1' }] }), 'forbidden sysctls (kernel.msgmax)'],
    [
      ofPod({ windowsOptions: { hostProcess: true } }),
      'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      { containers: [container({ livenessProbe: { httpGet: { port: 1, host: 'h' } } })] },
      'probe or lifecycle host (container "c" uses probe or lifecycle host "h")',
    ],
  ])('refuses %j', (spec, text) => {
    expect(told('baseline', spec)).toBe(text)
  })

  it.each<[string, PodSpec]>([
    ['unconfined for those without users of the node', { ...withContext({ procMount: 'Unmasked' }), hostUsers: false }],
    ['what is not of this level', { containers: [container({}, {})] }],
    ['sysctls of the container alone', ofPod({ sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] })],
  ])('allows %s', (_what, spec) => {
    expect(told('baseline', spec)).toBe('')
  })

  it('looks at annotations where there were no fields yet', () => {
    const annotations = { 'container.seccomp.security.alpha.kubernetes.io/c': 'unconfined' }
    const text = 'seccompProfile (forbidden annotation container.seccomp.security.alpha.kubernetes.io/c="unconfined")'
    expect(told('baseline', { containers: [container()] }, 18, annotations)).toBe(text)
    expect(told('baseline', { containers: [container()] }, 19, annotations)).toBe('')
  })

  it('refuses AppArmor annotations at every version', () => {
    const annotations = { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }
    expect(told('baseline', { containers: [container()] }, latest, annotations)).toBe(
      'forbidden AppArmor profile (annotation must not set AppArmor profile type to "container.apparmor.security.beta.kubernetes.io/c="unconfined"")',
    )
  })

  it('is as strict as the version that is named', () => {
    const reserved = ofPod({ sysctls: [{ name: 'net.ipv4.ip_local_reserved_ports', value: '1' }] })
    expect([26, 27].map((minor) => told('baseline', reserved, minor))).toEqual([
      'forbidden sysctls (net.ipv4.ip_local_reserved_ports)',
      '',
    ])
    const probe = { containers: [container({ lifecycle: { preStop: { tcpSocket: { port: 1, host: 'h' } } } })] }
    expect([33, 34].map((minor) => told('baseline', probe, minor) === '')).toEqual([true, false])
  })
})

describe('restricted', () => {
  it('names all that a plain pod lacks, in order', () => {
    expect(
      told('restricted', {
        containers: [
          { name: 'a', image: 'i' },
          { name: 'b', image: 'i' },
        ],
      }),
    ).toBe(
      'allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), ' +
        'unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), ' +
        'runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), ' +
        'seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    )
  })

  it.each<[PodSpec, string]>([
    [
      withContext({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', 'CHOWN'] } }),
      'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)',
    ],
    [
      withVolume({ hostPath: { path: '/' } }),
      'restricted volume types (volume "v" uses restricted volume type "hostPath")',
    ],
    [
      withContext({ runAsNonRoot: false }),
      'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    ],
    [withContext({ runAsUser: 0 }), 'runAsUser=0 (container "c" must not set runAsUser=0)'],
    [
      withContext({ procMount: 'Unmasked' }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
  ])('refuses %j once, though baseline may as well', (spec, text) => {
    expect(told('restricted', spec)).toBe(text)
  })

  it('counts what the pod says for its containers', () => {
    const { allowPrivilegeEscalation, capabilities, ...podWide } = hardened
    const spec = { containers: [container({}, { allowPrivilegeEscalation, capabilities })], securityContext: podWide }
    expect(told('restricted', spec)).toBe('')
  })

  it('asks nothing of pods for Windows that Windows does not have', () => {
    const spec = { containers: [container({}, { runAsNonRoot: true })], os: { name: 'windows' } }
    expect(told('restricted', spec)).toBe('')
    expect(told('restricted', spec, 24)).toMatch(
      /^allowPrivilegeEscalation .*, unrestricted capabilities .*, seccompProfile /,
    )
  })

  it('lets pods be root among users of their own', () => {
    const spec = { ...withContext({ runAsNonRoot: false, runAsUser: 0 }), hostUsers: false }
    expect(told('restricted', spec)).toBe('')
    expect(told('restricted', spec, 34)).toMatch(/^runAsNonRoot .*, runAsUser=0 /)
  })
})
