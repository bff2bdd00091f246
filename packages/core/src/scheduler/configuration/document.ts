import type { NodeAffinity, TopologySpreadConstraint } from '../scheduled-objects.ts'
import { type ExtenderDocument, extendersStructure } from './extenders-section.ts'
import type { Structure } from './structure.ts'

/** A plugin that a set enables or disables. */
export interface PluginDocument {
  readonly name: string
  readonly weight?: number
}

/** What a profile says of one extension point. */
export interface PluginSetDocument {
  readonly enabled?: readonly PluginDocument[]
  readonly disabled?: readonly PluginDocument[]
}

/** The extension points of kube-scheduler's configuration, in the order of the framework. */
export const pointNames = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const

/** One of {@link pointNames}. */
export type PointName = (typeof pointNames)[number]

/** `profiles[].plugins`. */
export type PluginsDocument = { readonly [P in PointName | 'multiPoint']?: PluginSetDocument }

/** Arguments of any plugin, as written; only the fields of the plugin at hand are set. */
export interface PluginArgsDocument {
  readonly apiVersion?: string
  readonly kind?: string
  readonly minCandidateNodesPercentage?: number
  readonly minCandidateNodesAbsolute?: number
  readonly hardPodAffinityWeight?: number
  readonly ignorePreferredTermsOfExistingPods?: boolean
  readonly addedAffinity?: NodeAffinity
  readonly resources?: readonly ResourceDocument[]
  readonly ignoredResources?: readonly string[]
  readonly ignoredResourceGroups?: readonly string[]
  readonly scoringStrategy?: {
    readonly type?: string
    readonly resources?: readonly ResourceDocument[]
    readonly requestedToCapacityRatio?: { readonly shape?: readonly PointDocument[] }
  }
  readonly defaultConstraints?: readonly TopologySpreadConstraint[]
  readonly defaultingType?: string
  readonly bindTimeoutSeconds?: number
}

/** A resource with its weight. */
export interface ResourceDocument {
  readonly name?: string
  readonly weight?: number
}

/** A point of a shape. */
export interface PointDocument {
  readonly utilization?: number
  readonly score?: number
}

/** One of `profiles`. */
export interface ProfileDocument {
  readonly schedulerName?: string
  readonly percentageOfNodesToScore?: number
  readonly plugins?: PluginsDocument
  readonly pluginConfig?: readonly { readonly name: string; readonly args?: PluginArgsDocument }[]
}

/** A `KubeSchedulerConfiguration` as written, its structure checked. */
export interface ConfigurationDocument {
  readonly parallelism?: number
  readonly percentageOfNodesToScore?: number
  readonly podInitialBackoffSeconds?: number
  readonly podMaxBackoffSeconds?: number
  readonly profiles?: readonly ProfileDocument[]
  readonly extenders?: readonly ExtenderDocument[]
}

const list = (of: Structure): Structure => ({ list: of })
const fields = (of: Readonly<Record<string, Structure>>): Structure => ({ fields: of })

const pluginSet = fields({
  enabled: list(fields({ name: 'string', weight: 'integer' })),
  disabled: list(fields({ name: 'string', weight: 'integer' })),
})

/** The structure of a `KubeSchedulerConfiguration`; arguments of plugins have their own ({@link argsStructures}). */
export const configurationStructure = fields({
  apiVersion: 'string',
  kind: 'string',
  parallelism: 'integer',
  leaderElection: fields({
    leaderElect: 'boolean',
    leaseDuration: 'duration',
    renewDeadline: 'duration',
    retryPeriod: 'duration',
    resourceLock: 'string',
    resourceName: 'string',
    resourceNamespace: 'string',
  }),
  clientConnection: fields({
    kubeconfig: 'string',
    acceptContentTypes: 'string',
    contentType: 'string',
    qps: 'number',
    burst: 'integer',
  }),
  enableProfiling: 'boolean',
  enableContentionProfiling: 'boolean',
  percentageOfNodesToScore: 'integer',
  podInitialBackoffSeconds: 'integer',
  podMaxBackoffSeconds: 'integer',
  delayCacheUntilActive: 'boolean',
  profiles: list(
    fields({
      schedulerName: 'string',
      percentageOfNodesToScore: 'integer',
      plugins: fields(Object.fromEntries([...pointNames, 'multiPoint'].map((point) => [point, pluginSet]))),
      pluginConfig: list(fields({ name: 'string', args: 'anything' })),
    }),
  ),
  extenders: extendersStructure,
})

const resources = list(fields({ name: 'string', weight: 'integer' }))
const nodeSelectorTerm = fields({
  matchExpressions: list(fields({ key: 'string', operator: 'string', values: list('string') })),
  matchFields: list(fields({ key: 'string', operator: 'string', values: list('string') })),
})

const argsFields: Readonly<Record<string, Readonly<Record<string, Structure>>>> = {
  DefaultPreemption: { minCandidateNodesPercentage: 'integer', minCandidateNodesAbsolute: 'integer' },
  InterPodAffinity: { hardPodAffinityWeight: 'integer', ignorePreferredTermsOfExistingPods: 'boolean' },
  NodeAffinity: {
    addedAffinity: fields({
      requiredDuringSchedulingIgnoredDuringExecution: fields({ nodeSelectorTerms: list(nodeSelectorTerm) }),
      preferredDuringSchedulingIgnoredDuringExecution: list(
        fields({ weight: 'integer', preference: nodeSelectorTerm }),
      ),
    }),
  },
  NodeResourcesBalancedAllocation: { resources },
  NodeResourcesFit: {
    ignoredResources: list('string'),
    ignoredResourceGroups: list('string'),
    scoringStrategy: fields({
      type: 'string',
      resources,
      requestedToCapacityRatio: fields({ shape: list(fields({ utilization: 'integer', score: 'integer' })) }),
    }),
  },
  PodTopologySpread: {
    defaultingType: 'string',
    defaultConstraints: list(
      fields({
        maxSkew: 'integer',
        topologyKey: 'string',
        whenUnsatisfiable: 'string',
        labelSelector: 'anything',
        minDomains: 'integer',
        nodeAffinityPolicy: 'string',
        nodeTaintsPolicy: 'string',
        matchLabelKeys: list('string'),
      }),
    ),
  },
  VolumeBinding: { bindTimeoutSeconds: 'integer' },
}

/** The structures of the arguments of the plugins that take some. */
export const argsStructures: Readonly<Record<string, Structure>> = Object.fromEntries(
  Object.entries(argsFields).map(([plugin, own]) => [plugin, fields({ apiVersion: 'string', kind: 'string', ...own })]),
)
