import { describe, expect, it } from 'vitest'
import { pluginArgsDefaults } from '../plugin-args.ts'
import { readSchedulerConfiguration } from './scheduler-configuration.ts'

const head = { apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration' }
const read = (rest: object) => readSchedulerConfiguration({ ...head, ...rest })
const withArgs = (name: string, args: object) => ({ profiles: [{ pluginConfig: [{ name, args }] }] })
const argsPath = 'profiles[0].pluginConfig[0].args'

describe('a KubeSchedulerConfiguration', () => {
  it('says by default what kube-scheduler does by default', () => {
    expect(read({})).toEqual({
      profiles: [
        {
          schedulerName: 'default-scheduler',
          percentageOfNodesToScore: undefined,
          plugins: {},
          args: { ...pluginArgsDefaults, NodeAffinity: { addedAffinity: undefined } },
        },
      ],
      percentageOfNodesToScore: 0,
      podInitialBackoffSeconds: 1,
      podMaxBackoffSeconds: 10,
      extenders: [],
    })
  })

  it('takes what concerns a process of its own, and null for what is not said', () => {
    const leaderElection = { leaderElect: true, leaseDuration: '15s', resourceLock: 'leases' }
    const clientConnection = { kubeconfig: '/etc/kubernetes/scheduler.conf', qps: 50, burst: 100 }
    expect(read({ leaderElection, clientConnection, parallelism: 4, profiles: null })).toEqual(read({}))
  })

  it('fills in what arguments leave open', () => {
    const scoringStrategy = {
      type: 'MostAllocated',
      resources: [{ name: 'cpu', weight: 3 }, { name: 'example.com/gpu' }],
    }
    const args = { apiVersion: head.apiVersion, kind: 'NodeResourcesFitArgs', scoringStrategy }
    const [profile] = read(withArgs('NodeResourcesFit', args)).profiles
    expect(profile?.args.NodeResourcesFit).toEqual({
      ignoredResources: [],
      ignoredResourceGroups: [],
      scoringStrategy: {
        type: 'MostAllocated',
        resources: [
          { name: 'cpu', weight: 3 },
          { name: 'example.com/gpu', weight: 1 },
        ],
      },
    })
  })

  const managing = (name: string) => ({ managedResources: [{ name, ignoredByScheduler: true }] })

  it('reads extenders, and leaves to them the resources that the scheduler is to ignore', () => {
    const tlsConfig = { serverName: 'extender', caData: Buffer.from('PEM').toString('base64') }
    const extender = { urlPrefix: 'https://localhost/scheduler', filterVerb: 'filter', enableHTTPS: true, tlsConfig }
    const { extenders, profiles } = read({
      ...withArgs('NodeResourcesFit', { ignoredResources: ['example.com/own'] }),
      extenders: [{ ...extender, ...managing('example.com/gpu'), httpTimeout: '1m30s' }, { urlPrefix: 'http://other' }],
    })
    expect(extenders).toMatchObject([
      {
        ...{ urlPrefix: 'https://localhost/scheduler', filterVerb: 'filter', bindVerb: '', enableHttps: true },
        ...{ tls: { serverName: 'extender', caData: 'PEM', caFile: '' }, httpTimeoutMs: 90_000, ignorable: false },
      },
      { urlPrefix: 'http://other', httpTimeoutMs: 5000, managedResources: [], tls: undefined },
    ])
    expect(profiles[0]?.args.NodeResourcesFit.ignoredResources).toEqual(['example.com/gpu'])
  })

  const shape = (points: object[]) =>
    withArgs('NodeResourcesFit', {
      scoringStrategy: { type: 'RequestedToCapacityRatio', requestedToCapacityRatio: { shape: points } },
    })
  const spread = (constraint: object) =>
    withArgs('PodTopologySpread', { defaultingType: 'List', defaultConstraints: [constraint] })
  const zone = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }

  it.each<[object, string]>([
    [{ percentageOfNodeToScore: 1 }, 'strict decoding error: unknown field "percentageOfNodeToScore"'],
    [
      { profiles: [{ plugins: { filters: {} }, pluginConfig: [{ name: 'NodeAffinity', args: { added: {} } }] }] },
      `strict decoding error: unknown field "profiles[0].plugins.filters", unknown field "${argsPath}.added"`,
    ],
    [
      { extenders: [{ urlPrefix: 'http://localhost', verbs: [] }] },
      'strict decoding error: unknown field "extenders[0].verbs"',
    ],
    [
      { extenders: [{ httpTimeout: 5 }] },
      'extenders[0].httpTimeout: Invalid value: 5: must be a duration such as 30s or 1m30s',
    ],
    [
      { extenders: [{ prioritizeVerb: 'score' }] },
      'extenders[0].weight: Invalid value: 0: must have a positive weight applied to it',
    ],
    [
      { extenders: [{ bindVerb: 'bind' }, { bindVerb: 'bind' }] },
      'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
    ],
    [
      { extenders: [{ managedResources: [{ name: 'cpu' }] }] },
      'extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name',
    ],
    [
      { extenders: [managing('example.com/gpu'), managing('example.com/gpu')] },
      'extenders[1].managedResources[0].name: Invalid value: "example.com/gpu": duplicate extender managed resource name',
    ],
    [{ parallelism: 'many' }, 'parallelism: Invalid value: "many": must be a whole number'],
    [{ profiles: {} }, 'profiles: Invalid value: {}: must be a list'],
    [
      { leaderElection: { leaseDuration: '15' } },
      'leaderElection.leaseDuration: Invalid value: "15": must be a duration such as 30s or 1m30s',
    ],
    [{ parallelism: 0 }, 'parallelism: Invalid value: 0: should be an integer value greater than zero'],
    [{ percentageOfNodesToScore: 101 }, 'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]'],
    [{ podInitialBackoffSeconds: 0 }, 'podInitialBackoffSeconds: Invalid value: 0: must be greater than 0'],
    [
      { podInitialBackoffSeconds: 20 },
      'podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds',
    ],
    [{ profiles: [{ schedulerName: 'a' }, {}] }, 'profiles[1].schedulerName: Required value'],
    [
      { profiles: [{ schedulerName: 'a' }, { schedulerName: 'a' }] },
      'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"',
    ],
    [
      { profiles: [{ percentageOfNodesToScore: -1 }] },
      'profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]',
    ],
    [
      { profiles: [{ pluginConfig: [{ name: 'NodePorts' }, { name: 'NodePorts' }] }] },
      'profiles[0].pluginConfig[1]: Duplicate value: "NodePorts"',
    ],
    [
      { profiles: [{ plugins: { filter: { enabled: [{ name: 'EBSLimits' }] } } }] },
      `profiles[0].plugins.filter.enabled[0]: Invalid value: "EBSLimits": was invalid in version "${head.apiVersion}" (KubeSchedulerConfiguration is version "${head.apiVersion}")`,
    ],
    [
      withArgs('InterPodAffinity', { kind: 'NodeAffinityArgs' }),
      `${argsPath}: Invalid value: {"kind":"NodeAffinityArgs"}: has to match plugin args`,
    ],
    [
      withArgs('InterPodAffinity', { hardPodAffinityWeight: 101 }),
      `${argsPath}.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]`,
    ],
    [
      withArgs('DefaultPreemption', { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0 }),
      `[${argsPath}.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute, ${argsPath}.minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the same time as minCandidateNodesPercentage]`,
    ],
    [
      withArgs('VolumeBinding', { bindTimeoutSeconds: -1 }),
      `${argsPath}.bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not be a negative value`,
    ],
    [
      withArgs('NodeResourcesBalancedAllocation', { resources: [{ name: 'cpu', weight: 2 }] }),
      `${argsPath}.resources[0].weight: Invalid value: 2: must be 1`,
    ],
    [
      withArgs('NodeResourcesFit', { ignoredResourceGroups: ['example.com/gpu'] }),
      `${argsPath}.ignoredResourceGroups[0]: Invalid value: "example.com/gpu": resource group name can't contain '/'`,
    ],
    [
      withArgs('NodeResourcesFit', { scoringStrategy: { type: 'Best' } }),
      `${argsPath}.scoringStrategy.type: Unsupported value: "Best": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"`,
    ],
    [
      withArgs('NodeResourcesFit', { scoringStrategy: { type: 'RequestedToCapacityRatio' } }),
      `${argsPath}.scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is RequestedToCapacityRatio`,
    ],
    [
      shape([{ utilization: 50 }, { utilization: 50, score: 11 }]),
      `[${argsPath}.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 50: values must be sorted in increasing order, ${argsPath}.scoringStrategy.requestedToCapacityRatio.shape[1].score: Invalid value: 11: not in valid range [0, 10]]`,
    ],
    [
      shape([]),
      `${argsPath}.scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must be specified`,
    ],
    [
      withArgs('PodTopologySpread', { defaultConstraints: [zone] }),
      `${argsPath}.defaultingType: Invalid value: "System": when .defaultConstraints are not empty`,
    ],
    [
      spread({ ...zone, maxSkew: 0 }),
      `${argsPath}.defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf)`,
    ],
    [
      spread({ ...zone, labelSelector: {} }),
      `${argsPath}.defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod`,
    ],
    [
      withArgs('NodeAffinity', {
        addedAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'in', values: ['ssd'] }] }],
          },
        },
      }),
      `${argsPath}.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "in": not a valid selector operator`,
    ],
  ])('refuses %j', (document, message) => {
    expect(() => read(document)).toThrow(new Error(message))
  })

  it.each([undefined, 'text', {}, { ...head, apiVersion: 'kubescheduler.config.k8s.io/v1beta3' }])(
    'must be of the version that is read, unlike %j',
    (document) => {
      expect(() => readSchedulerConfiguration(document)).toThrow(
        /^no kind ".*" is registered for version ".*": it must be/,
      )
    },
  )
})
