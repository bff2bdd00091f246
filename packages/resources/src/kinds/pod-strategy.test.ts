import { describe, expect, it } from 'vitest'
import type { Container, Pod, PodSpec } from '../generated/types.ts'
import { podStrategy } from './pod-strategy.ts'
import { qosClass } from './pod-qos.ts'

type Changes = Record<string, unknown>

function pod(spec: Changes = {}, container: Changes = {}): Pod {
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'nginx', ...container }], ...spec },
  } as unknown as Pod
  podStrategy.applyDefaults?.(object)
  return object
}
const texts = (object: Pod): string[] => (podStrategy.validate?.(object) ?? []).map((e) => `${e.field}: ${e.message}`)
const specOf = (object: Pod): PodSpec => object.spec as PodSpec

describe('defaults', () => {
  it('fill in what upstream fills in', () => {
    expect(pod().spec).toEqual({
      containers: [
        {
          name: 'c',
          image: 'nginx',
          imagePullPolicy: 'Always',
          resources: {},
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      restartPolicy: 'Always',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    })
  })
  it('change nothing the second time', () => {
    const once = pod({ volumes: [{ name: 'v' }], hostNetwork: true }, { ports: [{ containerPort: 80 }] })
    const twice = structuredClone(once)
    podStrategy.applyDefaults?.(twice)
    expect(twice).toEqual(once)
  })

  const policies: [image: string, policy: string][] = [
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['host:5000/nginx', 'Always'],
    ['host:5000/nginx:1', 'IfNotPresent'],
    [`nginx@sha256:${'0'.repeat(64)}`, 'IfNotPresent'],
  ]
  it.each(policies)('pull %s with policy %s', (image, policy) => {
    expect(specOf(pod({}, { image })).containers[0]?.imagePullPolicy).toBe(policy)
  })

  it('request what is limited', () => {
    const resources = specOf(pod({}, { resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } } }))
      .containers[0]?.resources
    expect(resources?.requests).toEqual({ cpu: '500m', memory: '1Gi' })
  })
  it('complete probes', () => {
    const probe = { httpGet: { port: 80 } }
    expect(specOf(pod({}, { livenessProbe: probe })).containers[0]?.livenessProbe).toEqual({
      httpGet: { port: 80, path: '/', scheme: 'HTTP' },
      timeoutSeconds: 1,
      periodSeconds: 10,
      successThreshold: 1,
      failureThreshold: 3,
    })
  })
  it('give volumes their modes', () => {
    const volumes = [
      { name: 'a' },
      { name: 'b', secret: { secretName: 's' } },
      { name: 'c', configMap: { name: 'm' } },
      { name: 'd', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
      { name: 'e', downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      { name: 'f', hostPath: { path: '/x' } },
    ]
    expect(specOf(pod({ volumes })).volumes).toEqual([
      { name: 'a', emptyDir: {} },
      { name: 'b', secret: { secretName: 's', defaultMode: 420 } },
      { name: 'c', configMap: { name: 'm', defaultMode: 420 } },
      {
        name: 'd',
        projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 3600 } }] },
      },
      {
        name: 'e',
        downwardAPI: {
          defaultMode: 420,
          items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels', apiVersion: 'v1' } }],
        },
      },
      { name: 'f', hostPath: { path: '/x', type: '' } },
    ])
  })
  it('open the container ports on the host when the pod uses its network', () => {
    const container = specOf(pod({ hostNetwork: true }, { ports: [{ containerPort: 80 }] })).containers[0]
    expect(container?.ports).toEqual([{ containerPort: 80, hostPort: 80, protocol: 'TCP' }])
  })
  it('keep both names of the service account alike', () => {
    expect(specOf(pod({ serviceAccount: 'old' })).serviceAccountName).toBe('old')
    expect(specOf(pod({ serviceAccountName: 'new' })).serviceAccount).toBe('new')
  })
})

const claim = { name: 'data', persistentVolumeClaim: { claimName: 'data' } }
const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const c0 = 'spec.containers[0]'

describe('validation', () => {
  it('accepts a pod that uses much', () => {
    const full = pod(
      {
        initContainers: [
          { name: 'init', image: 'busybox:1' },
          {
            name: 'side',
            image: 'busybox:1',
            restartPolicy: 'Always',
            readinessProbe: { exec: { command: ['true'] } },
          },
        ],
        volumes: [
          { name: 'tmp' },
          claim,
          { name: 'cfg', configMap: { name: 'm', items: [{ key: 'k', path: 'a/b' }] } },
        ],
        tolerations: [{ operator: 'Exists' }, { key: 'a', value: 'b', effect: 'NoExecute', tolerationSeconds: 30 }],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }],
                  matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }],
                },
              ],
            },
          },
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, podAffinityTerm: { topologyKey: 'zone', labelSelector: { matchLabels: { a: 'b' } } } },
            ],
          },
        },
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
        securityContext: { runAsUser: 1000, sysctls: [{ name: 'net.ipv4.ip_local_port_range', value: '1 2' }] },
        dnsConfig: { nameservers: ['1.1.1.1'], searches: ['a.b.'] },
        hostAliases: [{ ip: '10.0.0.1', hostnames: ['a.b'] }],
      },
      {
        ports: [{ name: 'http', containerPort: 80 }],
        env: [
          { name: 'A', value: 'b' },
          { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
          { name: 'K', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
        ],
        envFrom: [{ configMapRef: { name: 'm' } }],
        volumeMounts: [
          { name: 'tmp', mountPath: '/tmp' },
          { name: 'data', mountPath: '/data', subPath: 'x' },
        ],
        livenessProbe: { tcpSocket: { port: 'http' } },
        lifecycle: { preStop: { sleep: { seconds: 5 } } },
        resources: { limits: { cpu: '1', 'example.com/gpu': '2' }, requests: { cpu: '500m' } },
        securityContext: { capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
      },
    )
    expect(texts(full)).toEqual([])
  })

  const containers: [container: Changes, error: string][] = [
    [{ name: '' }, `${c0}.name: Required value`],
    [{ name: 'C' }, `${c0}.name: Invalid value: "C": ${label}`],
    [{ image: '' }, `${c0}.image: Required value`],
    [{ image: ' nginx' }, `${c0}.image: Invalid value: " nginx": must not have leading or trailing whitespace`],
    [
      { imagePullPolicy: 'Maybe' },
      `${c0}.imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"`,
    ],
    [{ restartPolicy: 'Always' }, `${c0}.restartPolicy: Forbidden: may not be set for non-init containers`],
    [{ ports: [{}] }, `${c0}.ports[0].containerPort: Required value`],
    [
      { ports: [{ containerPort: 70_000 }] },
      `${c0}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
    ],
    [
      { ports: [{ containerPort: 1, protocol: 'ICMP' }] },
      `${c0}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`,
    ],
    [
      {
        ports: [
          { containerPort: 1, name: 'a' },
          { containerPort: 2, name: 'a' },
        ],
      },
      `${c0}.ports[1].name: Duplicate value: "a"`,
    ],
    [
      {
        ports: [
          { containerPort: 1, hostPort: 9 },
          { containerPort: 2, hostPort: 9 },
        ],
      },
      `${c0}.ports[1].hostPort: Duplicate value: "TCP//9"`,
    ],
    [{ env: [{ value: 'a' }] }, `${c0}.env[0].name: Required value`],
    [
      { env: [{ name: 'A=B' }] },
      `${c0}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '='`,
    ],
    [
      { env: [{ name: 'A', valueFrom: {} }] },
      `${c0}.env[0].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`resourceFieldRef\`, \`configMapKeyRef\` or \`secretKeyRef\``,
    ],
    [
      { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
      `${c0}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
    ],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.nothing' } } }] },
      `${c0}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nothing": error converting fieldPath: field label not supported: spec.nothing`,
    ],
    [
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'm' } } }] },
      `${c0}.env[0].valueFrom.configMapKeyRef.key: Required value`,
    ],
    [{ envFrom: [{}] }, `${c0}.envFrom: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``],
    [{ volumeMounts: [{ name: 'v', mountPath: '/v' }] }, `${c0}.volumeMounts[0].name: Not found: "v"`],
    [{ livenessProbe: {} }, `${c0}.livenessProbe: Required value: must specify a handler type`],
    [
      { livenessProbe: { exec: { command: ['a'] }, tcpSocket: { port: 1 } } },
      `${c0}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
    ],
    [
      { livenessProbe: { exec: { command: ['a'] }, successThreshold: 2 } },
      `${c0}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
    ],
    [
      { readinessProbe: { httpGet: { port: 0 } } },
      `${c0}.readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
    ],
    [{ readinessProbe: { exec: { command: [] } } }, `${c0}.readinessProbe.exec.command: Required value`],
    [
      { lifecycle: { preStop: { sleep: { seconds: 31 } } } },
      `${c0}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)`,
    ],
    [
      { resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } },
      `${c0}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
    ],
    [
      { resources: { limits: { cpu: '-1' } } },
      `${c0}.resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0`,
    ],
    [
      { resources: { limits: { 'example.com/gpu': '500m' } } },
      `${c0}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer`,
    ],
    [
      { resources: { requests: { 'example.com/gpu': '1' } } },
      `${c0}.resources.limits: Required value: Limit must be set for non overcommitable resources`,
    ],
    [
      { resources: { requests: { pods: '1' } } },
      `${c0}.resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers`,
    ],
    [
      { securityContext: { runAsUser: -1 } },
      `${c0}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive`,
    ],
    [
      { securityContext: { seccompProfile: { type: 'Localhost' } } },
      `${c0}.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost`,
    ],
  ]
  it.each(containers)('refuses a container with %j', (container, error) => {
    expect(texts(pod({}, container))).toContain(error)
  })

  const specs: [spec: Changes, error: string][] = [
    [{ containers: [] }, 'spec.containers: Required value'],
    [
      { restartPolicy: 'Sometimes' },
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ],
    [
      { dnsPolicy: 'Mine' },
      'spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    ],
    [{ dnsPolicy: 'None' }, 'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
    [{ volumes: [{ name: 'v' }, { name: 'v' }] }, 'spec.volumes[1].name: Duplicate value: "v"'],
    [{ volumes: [{ name: 'V' }] }, `spec.volumes[0].name: Invalid value: "V": ${label}`],
    [
      { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] },
      'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    ],
    [
      { volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] },
      'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
    ],
    [{ volumes: [{ name: 'v', secret: {} }] }, 'spec.volumes[0].secret.secretName: Required value'],
    [
      { volumes: [{ name: 'v', secret: { secretName: 's', defaultMode: 1000 } }] },
      'spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive',
    ],
    [
      { volumes: [{ name: 'v', configMap: { name: 'm', items: [{ key: 'k', path: '/x' }] } }] },
      'spec.volumes[0].configMap.items[0].path: Invalid value: "/x": must be a relative path',
    ],
    [{ nodeSelector: { 'a b': 'c' } }, 'spec.nodeSelector: Invalid value: "a b": name part must consist of'],
    [
      { activeDeadlineSeconds: 0 },
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ],
    [
      { tolerations: [{ effect: 'NoSchedule' }] },
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
    [
      { tolerations: [{ key: 'a', operator: 'Like' }] },
      'spec.tolerations[0].operator: Unsupported value: "Like": supported values: "Equal", "Exists"',
    ],
    [
      { tolerations: [{ key: 'a', effect: 'Go' }] },
      'spec.tolerations[0].effect: Unsupported value: "Go": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ],
    [
      { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'z', whenUnsatisfiable: 'DoNotSchedule' }] },
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
    ],
    [
      { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } },
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
    [
      { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{}] } } },
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty',
    ],
    [{ initContainers: [{ name: 'c', image: 'x' }] }, 'spec.initContainers[0].name: Duplicate value: "c"'],
    [
      { initContainers: [{ name: 'i', image: 'x', livenessProbe: { exec: { command: ['a'] } } }] },
      'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
    [{ hostUsers: false, hostNetwork: true }, 'spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false'],
    [{ schedulingGates: [{ name: 'a' }, { name: 'a' }] }, 'spec.schedulingGates[1]: Duplicate value: "a"'],
    [
      { ephemeralContainers: [{ name: 'd', image: 'x', ports: [{ containerPort: 1 }] }] },
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
    ],
    [
      { ephemeralContainers: [{ name: 'd', image: 'x', targetContainerName: 'none' }] },
      'spec.ephemeralContainers[0].targetContainerName: Not found: "none"',
    ],
  ]
  it.each(specs)('refuses a spec with %j', (spec, error) => {
    expect(texts(pod(spec)).join('\n')).toContain(error)
  })

  it('refuses ephemeral containers, and a node behind gates, in new pods only', () => {
    const object = pod({
      ephemeralContainers: [{ name: 'd', image: 'x' }],
      nodeName: 'n',
      schedulingGates: [{ name: 'g' }],
    })
    expect(texts(object)).toEqual([])
    expect(podStrategy.validateCreate?.(object).map((e) => `${e.field}: ${e.message}`)).toEqual([
      'spec.ephemeralContainers: Forbidden: cannot be set on create',
      'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
    ])
  })
})

describe('updates', () => {
  const changes = (change: (object: Pod) => void, spec: Changes = {}): string[] => {
    const old = pod(spec)
    const object = structuredClone(old)
    change(object)
    return (podStrategy.validateUpdate?.(object, old) ?? []).map((e) => `${e.field}: ${e.message}`)
  }
  const forbidden = [expect.stringMatching(/^spec: Forbidden: pod updates may not change fields other than /)]

  it('may change images, labels and gates', () => {
    const errors = changes(
      (object) => {
        ;(specOf(object).containers[0] as Container).image = 'nginx:2'
        object.metadata.labels = { a: 'b' }
        specOf(object).schedulingGates = []
      },
      { schedulingGates: [{ name: 'g' }] },
    )
    expect(errors).toEqual([])
  })
  it('may set a deadline and shorten it', () => {
    expect(changes((object) => (specOf(object).activeDeadlineSeconds = 5))).toEqual([])
    expect(changes((object) => (specOf(object).activeDeadlineSeconds = 5), { activeDeadlineSeconds: 9 })).toEqual([])
  })
  it('may not lengthen or drop a deadline', () => {
    expect(changes((object) => (specOf(object).activeDeadlineSeconds = 10), { activeDeadlineSeconds: 9 })).toEqual([
      'spec.activeDeadlineSeconds: Invalid value: 10: must be less than or equal to previous value',
    ])
    expect(changes((object) => delete specOf(object).activeDeadlineSeconds, { activeDeadlineSeconds: 9 })).toEqual([
      'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value',
    ])
  })
  it('may add tolerations and change their seconds, but take none away', () => {
    const tolerations = [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }]
    const more = [
      { ...tolerations[0], tolerationSeconds: 6 },
      { key: 'b', operator: 'Exists' },
    ]
    expect(changes((object) => (specOf(object).tolerations = more as never), { tolerations })).toEqual([])
    expect(changes((object) => (specOf(object).tolerations = []), { tolerations })).toEqual([
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ])
  })
  it('may not change anything else', () => {
    expect(changes((object) => (specOf(object).nodeName = 'n'))).toEqual(forbidden)
    expect(changes((object) => (specOf(object).terminationGracePeriodSeconds = 1))).toEqual(forbidden)
    expect(changes((object) => ((specOf(object).containers[0] as Container).command = ['x']))).toEqual(forbidden)
  })
  it('may not add containers', () => {
    expect(changes((object) => specOf(object).containers.push({ name: 'd', image: 'x' } as Container))).toEqual([
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ])
  })
  it('may confine a gated pod further, but not differently', () => {
    const gated = { schedulingGates: [{ name: 'g' }], nodeSelector: { a: '1' } }
    expect(changes((object) => (specOf(object).nodeSelector = { a: '1', b: '2' }), gated)).toEqual([])
    expect(changes((object) => (specOf(object).nodeSelector = { b: '2' }), gated)).toEqual([
      'spec.nodeSelector: Invalid value: {"b":"2"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
    ])
  })
  it('leave ephemeral containers to their subresource', () => {
    const old = pod({ ephemeralContainers: [{ name: 'd', image: 'x' }] })
    const object = structuredClone(old)
    specOf(object).ephemeralContainers = []
    podStrategy.prepareForUpdate?.(object, old)
    expect(specOf(object).ephemeralContainers).toEqual(specOf(old).ephemeralContainers)
    specOf(object).ephemeralContainers = []
    expect(podStrategy.validateSubresourceUpdate?.('ephemeralcontainers', object, old)).toMatchObject([
      {
        field: 'spec.ephemeralContainers',
        message: 'Forbidden: existing ephemeral containers "d" may not be removed\n',
      },
    ])
  })
  it('of resources go through resize only, and keep the quality of service', () => {
    const sized = (cpu: string) => pod({}, { resources: { requests: { cpu } } })
    expect(podStrategy.validateSubresourceUpdate?.('resize', sized('2'), sized('1'))).toEqual([])
    expect(podStrategy.validateSubresourceUpdate?.('resize', pod(), sized('1'))).toMatchObject([
      { field: 'spec', message: 'Invalid value: "": Pod QOS Class may not change as a result of resizing' },
      { field: 'spec.containers[0].resources.requests', message: 'Forbidden: resource requests cannot be removed' },
    ])
  })
  it('of status may not revive what has ended for good', () => {
    const old = pod({ restartPolicy: 'Never' })
    old.status = { containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 0 } } }] } as never
    const object = structuredClone(old)
    object.status = { containerStatuses: [{ name: 'c', state: { running: {} } }] } as never
    expect(podStrategy.validateStatusUpdate?.(object, old)).toMatchObject([
      {
        field: 'status.containerStatuses[0].state',
        message: 'Forbidden: may not be transitioned to non-terminated state',
      },
    ])
  })
})

describe('graceful deletion', () => {
  const grace = (spec: Changes, phase: string, requested?: number): number | undefined =>
    podStrategy.gracePeriodSeconds?.({ ...pod(spec), status: { phase } } as Pod, requested)
  it.each([
    [{ nodeName: 'n' }, 'Running', undefined, 30],
    [{ nodeName: 'n', terminationGracePeriodSeconds: 5 }, 'Running', undefined, 5],
    [{ nodeName: 'n' }, 'Running', 7, 7],
    [{ nodeName: 'n' }, 'Running', 0, 0],
    [{ nodeName: 'n', terminationGracePeriodSeconds: -1 }, 'Running', undefined, 1],
    [{}, 'Pending', undefined, 0],
    [{ nodeName: 'n' }, 'Succeeded', undefined, 0],
    [{ nodeName: 'n' }, 'Failed', 9, 0],
  ])('of %j in phase %s with %s asked takes %d seconds', (spec, phase, requested, seconds) => {
    expect(grace(spec, phase, requested)).toBe(seconds)
  })
})

describe('quality of service', () => {
  const cases: [resources: Changes | undefined, quality: string][] = [
    [undefined, 'BestEffort'],
    [{ limits: { 'example.com/gpu': '1' } }, 'BestEffort'],
    [{ requests: { cpu: '0' } }, 'BestEffort'],
    [{ requests: { cpu: '1' } }, 'Burstable'],
    [{ limits: { cpu: '1' } }, 'Burstable'],
    [{ limits: { cpu: '1', memory: '1Gi' } }, 'Guaranteed'],
    [{ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } }, 'Guaranteed'],
    [{ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } }, 'Burstable'],
  ]
  it.each(cases)('with %j is %s', (resources, quality) => {
    expect(qosClass(pod({}, resources === undefined ? {} : { resources }))).toBe(quality)
  })
  it('of a pod is guaranteed only when it is for every container', () => {
    const resources = { limits: { cpu: '1', memory: '1Gi' } }
    const other = { name: 'd', image: 'x' }
    expect(qosClass(pod({ containers: [{ name: 'c', image: 'x', resources }, other] }))).toBe('Burstable')
  })
})

it('a new pod is pending, and says when gates hold it back', () => {
  const object = pod({ schedulingGates: [{ name: 'g' }] })
  podStrategy.prepareForCreate?.(object)
  expect(object.status).toMatchObject({
    phase: 'Pending',
    qosClass: 'BestEffort',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
  })
})

it('warnings name what is valid but surely not meant', () => {
  const object = pod({ terminationGracePeriodSeconds: -1 }, { env: [{ name: 'A' }, { name: 'A' }] })
  expect(podStrategy.warnings?.(object)).toEqual([
    'spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1.',
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
  ])
})
