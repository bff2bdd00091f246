import { duplicate, type FieldError, invalidValue, required } from '@binnacle/apimachinery'
import type { ExtenderConfiguration } from '../extenders/extender-configuration.ts'
import { type PluginArgs, pluginArgsDefaults } from '../plugin-args.ts'
import { defaultSchedulerName } from '../profile.ts'
import {
  argsStructures,
  type ConfigurationDocument,
  configurationStructure,
  type PluginArgsDocument,
  type PluginsDocument,
  pointNames,
  type ProfileDocument,
  type ResourceDocument,
} from './document.ts'
import { extenderOf, extendersErrors } from './extenders-section.ts'
import { validatePluginArgs } from './plugin-args-validation.ts'
import { checkStructure } from './structure.ts'

/** What a `KubeSchedulerConfiguration` asks for, its defaults filled in. */
export interface SchedulerConfiguration {
  /** At least one; their names differ. */
  readonly profiles: readonly ProfileConfiguration[]
  /** How many per cent of the nodes to find before choosing; 0: fewer the more nodes there are. */
  readonly percentageOfNodesToScore: number
  readonly podInitialBackoffSeconds: number
  readonly podMaxBackoffSeconds: number
  /** Webhooks that have a say in decisions, in the order of the document. */
  readonly extenders: readonly ExtenderConfiguration[]
}

/** How the pods of one scheduler name are scheduled. */
export interface ProfileConfiguration {
  readonly schedulerName: string
  /** Instead of the percentage of all profiles. */
  readonly percentageOfNodesToScore: number | undefined
  /** What is said of the default plugins and of others. */
  readonly plugins: PluginsDocument
  readonly args: PluginArgs
}

/** The only version that is read. */
const apiVersion = 'kubescheduler.config.k8s.io/v1'

/**
 * Reads a parsed `KubeSchedulerConfiguration`: every field that Kubernetes has, and no other. What concerns a process of its own (leader election,
 * client connection, profiling, parallelism) is checked and has no effect here.
 * @throws Error with all that is wrong, in kube-scheduler's words with the paths of the fields
 */
export function readSchedulerConfiguration(parsed: unknown): SchedulerConfiguration {
  const document = checkedDocument(parsed)
  const profiles = document.profiles?.length ? document.profiles : [{}]
  const [first = {}] = profiles
  const named: readonly ProfileDocument[] =
    profiles.length === 1 ? [{ ...first, schedulerName: first.schedulerName ?? defaultSchedulerName }] : profiles
  const extenders = (document.extenders ?? []).map(extenderOf)
  const ignored = extenders.flatMap(({ managedResources }) =>
    managedResources.flatMap(({ name, ignoredByScheduler }) => (ignoredByScheduler ? [name] : [])),
  )
  const configuration = {
    profiles: named.map((profile) => ignoring(ignored, profileOf(profile))),
    percentageOfNodesToScore: document.percentageOfNodesToScore ?? 0,
    podInitialBackoffSeconds: document.podInitialBackoffSeconds ?? 1,
    podMaxBackoffSeconds: document.podMaxBackoffSeconds ?? 10,
    extenders,
  }
  refuse([
    ...generalErrors(document, configuration),
    ...profilesErrors(named, configuration.profiles),
    ...extendersErrors(extenders),
  ])
  return configuration
}

/** What an extender sees to wins over what the arguments say to ignore. */
function ignoring(resources: readonly string[], profile: ProfileConfiguration): ProfileConfiguration {
  if (resources.length === 0) return profile
  const { args } = profile
  return { ...profile, args: { ...args, NodeResourcesFit: { ...args.NodeResourcesFit, ignoredResources: resources } } }
}

function refuse(errors: readonly FieldError[]): void {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))]
  if (texts.length > 0) throw new Error(texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`)
}

function checkedDocument(parsed: unknown): ConfigurationDocument {
  const { apiVersion: version, kind } = (parsed ?? {}) as { apiVersion?: unknown; kind?: unknown }
  if (version !== apiVersion || kind !== 'KubeSchedulerConfiguration')
    throw new Error(
      `no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(version ?? '')}: it must be KubeSchedulerConfiguration of ${apiVersion}`,
    )
  const problems = checkStructure(parsed, configurationStructure, '')
  const document = withoutNulls(parsed) as ConfigurationDocument
  if (problems.wrong.length === 0) {
    for (const [p, profile] of (document.profiles ?? []).entries()) {
      for (const [i, { name, args }] of (profile.pluginConfig ?? []).entries()) {
        const structure = argsStructures[name]
        const path = `profiles[${p}].pluginConfig[${i}].args`
        if (structure !== undefined) checkStructure(args, structure, path, problems)
        else if (args !== undefined) problems.unknown.push(path)
      }
    }
  }
  refuse(problems.wrong)
  if (problems.unknown.length > 0)
    throw new Error(`strict decoding error: ${problems.unknown.map((field) => `unknown field "${field}"`).join(', ')}`)
  return document
}

/** Null is the same as absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, withoutNulls(member)]])),
  )
}

function profileOf({
  schedulerName = '',
  percentageOfNodesToScore,
  plugins,
  pluginConfig,
}: ProfileDocument): ProfileConfiguration {
  const argsOf = (plugin: string): PluginArgsDocument => pluginConfig?.find((c) => c.name === plugin)?.args ?? {}
  return { schedulerName, percentageOfNodesToScore, plugins: plugins ?? {}, args: argsFrom(argsOf) }
}

function argsFrom(argsOf: (plugin: keyof PluginArgs) => PluginArgsDocument): PluginArgs {
  const { addedAffinity } = argsOf('NodeAffinity')
  const fit = argsOf('NodeResourcesFit')
  const spread = argsOf('PodTopologySpread')
  return {
    DefaultPreemption: { ...pluginArgsDefaults.DefaultPreemption, ...withoutKind(argsOf('DefaultPreemption')) },
    InterPodAffinity: { ...pluginArgsDefaults.InterPodAffinity, ...withoutKind(argsOf('InterPodAffinity')) },
    NodeAffinity: { addedAffinity },
    NodeResourcesBalancedAllocation: { resources: resourcesFrom(argsOf('NodeResourcesBalancedAllocation').resources) },
    NodeResourcesFit: {
      ignoredResources: fit.ignoredResources ?? [],
      ignoredResourceGroups: fit.ignoredResourceGroups ?? [],
      scoringStrategy: strategyFrom(fit.scoringStrategy),
    },
    PodTopologySpread: {
      defaultConstraints: spread.defaultConstraints ?? [],
      // What else stands here is refused when it is validated.
      defaultingType: (spread.defaultingType ?? 'System') as 'System' | 'List',
    },
    VolumeBinding: { ...pluginArgsDefaults.VolumeBinding, ...withoutKind(argsOf('VolumeBinding')) },
  }
}

function withoutKind({ apiVersion: _version, kind: _kind, ...args }: PluginArgsDocument): PluginArgsDocument {
  return args
}

type StrategyDocument = NonNullable<PluginArgsDocument['scoringStrategy']>

function strategyFrom(document: StrategyDocument | undefined): PluginArgs['NodeResourcesFit']['scoringStrategy'] {
  if (document === undefined) return pluginArgsDefaults.NodeResourcesFit.scoringStrategy
  const ratio = document.requestedToCapacityRatio
  const shape = (ratio?.shape ?? []).map(({ utilization = 0, score = 0 }) => ({ utilization, score }))
  return {
    type: (document.type ?? '') as 'LeastAllocated',
    resources: resourcesFrom(document.resources),
    ...(ratio === undefined ? {} : { requestedToCapacityRatio: { shape } }),
  }
}

/** No list, or an empty one, stands for cpu and memory; no weight, or 0, for 1. */
function resourcesFrom(
  resources: readonly ResourceDocument[] = [],
): PluginArgs['NodeResourcesBalancedAllocation']['resources'] {
  if (resources.length === 0) return pluginArgsDefaults.NodeResourcesBalancedAllocation.resources
  return resources.map(({ name = '', weight = 0 }) => ({ name, weight: weight === 0 ? 1 : weight }))
}

function percentageErrors(field: string, percentage: number | undefined): FieldError[] {
  return percentage !== undefined && (percentage < 0 || percentage > 100)
    ? [invalidValue(field, percentage, 'not in valid range [0-100]')]
    : []
}

function generalErrors({ parallelism }: ConfigurationDocument, configuration: SchedulerConfiguration): FieldError[] {
  const { percentageOfNodesToScore, podInitialBackoffSeconds: initial, podMaxBackoffSeconds: max } = configuration
  return [
    ...(parallelism !== undefined && parallelism <= 0
      ? [invalidValue('parallelism', parallelism, 'should be an integer value greater than zero')]
      : []),
    ...percentageErrors('percentageOfNodesToScore', percentageOfNodesToScore),
    ...(initial <= 0 ? [invalidValue('podInitialBackoffSeconds', initial, 'must be greater than 0')] : []),
    ...(max < initial
      ? [invalidValue('podMaxBackoffSeconds', max, 'must be greater than or equal to PodInitialBackoffSeconds')]
      : []),
  ]
}

function profilesErrors(
  documents: readonly ProfileDocument[],
  profiles: readonly ProfileConfiguration[],
): FieldError[] {
  return profiles.flatMap((profile, i) => {
    const path = `profiles[${i}]`
    const twin = profiles.findIndex((p) => p.schedulerName === profile.schedulerName)
    const canon = JSON.stringify(profiles[0]?.plugins.queueSort ?? {})
    return [
      ...(profile.schedulerName === '' ? [required(`${path}.schedulerName`)] : []),
      ...percentageErrors(`${path}.percentageOfNodesToScore`, profile.percentageOfNodesToScore),
      ...pluginsErrors(path, profile.plugins),
      ...pluginConfigErrors(path, documents[i]?.pluginConfig ?? [], profile.args),
      ...(twin < i ? [duplicate(`${path}.schedulerName`, `profiles[${twin}].schedulerName`)] : []),
      ...(JSON.stringify(profile.plugins.queueSort ?? {}) === canon
        ? []
        : [invalidValue(`${path}.plugins.queueSort`, profile.plugins.queueSort, 'must be the same for all profiles')]),
    ]
  })
}

/** Plugins that Kubernetes once had. */
const removedPlugins = ['AzureDiskLimits', 'CinderLimits', 'EBSLimits', 'GCEPDLimits']
const removedText = `was invalid in version "${apiVersion}" (KubeSchedulerConfiguration is version "${apiVersion}")`

function pluginsErrors(path: string, plugins: PluginsDocument): FieldError[] {
  return pointNames.flatMap((point) =>
    (plugins[point]?.enabled ?? []).flatMap(({ name }, i) =>
      removedPlugins.includes(name) ? [invalidValue(`${path}.plugins.${point}.enabled[${i}]`, name, removedText)] : [],
    ),
  )
}

function pluginConfigErrors(
  path: string,
  configs: NonNullable<ProfileDocument['pluginConfig']>,
  args: PluginArgs,
): FieldError[] {
  return configs.flatMap(({ name, args: document }, i) => {
    const at = `${path}.pluginConfig[${i}]`
    if (removedPlugins.includes(name)) return [invalidValue(at, name, removedText)]
    const isOther =
      (document?.kind !== undefined && document.kind !== `${name}Args`) ||
      (document?.apiVersion !== undefined && document.apiVersion !== apiVersion)
    return [
      ...(configs.findIndex((other) => other.name === name) < i ? [duplicate(at, name)] : []),
      ...(isOther ? [invalidValue(`${at}.args`, document, 'has to match plugin args')] : []),
      ...(isOther ? [] : argsErrors(`${at}.args`, name, args)),
    ]
  })
}

function argsErrors(path: string, plugin: string, args: PluginArgs): FieldError[] {
  if (!Object.hasOwn(validatePluginArgs, plugin)) return []
  const name = plugin as keyof PluginArgs
  const validate = validatePluginArgs[name] as (path: string, args: PluginArgs[typeof name]) => FieldError[]
  return validate(path, args[name])
}
