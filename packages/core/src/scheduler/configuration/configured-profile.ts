import type { Plugin, PluginDefinition, Profile, SchedulerHandle } from '../framework.ts'
import { inTreePlugins } from '../plugins/registry.ts'
import { composeProfile, type ProfilePlugin } from '../profile.ts'
import type { PluginDocument, PluginsDocument, PluginSetDocument, PointName } from './document.ts'
import type { ProfileConfiguration } from './scheduler-configuration.ts'

/** What the framework calls the plugins of a point in its errors, and what a plugin must have to be one. */
const points: readonly {
  readonly point: PointName
  readonly part: Exclude<keyof Plugin, 'name'>
  readonly type: string
}[] = [
  { point: 'preEnqueue', part: 'preEnqueue', type: 'PreEnqueuePlugin' },
  { point: 'queueSort', part: 'queueSort', type: 'QueueSortPlugin' },
  { point: 'filter', part: 'filter', type: 'FilterPlugin' },
  { point: 'postFilter', part: 'postFilter', type: 'PostFilterPlugin' },
  { point: 'score', part: 'score', type: 'ScorePlugin' },
  { point: 'reserve', part: 'reserve', type: 'ReservePlugin' },
  { point: 'permit', part: 'permit', type: 'PermitPlugin' },
  { point: 'preBind', part: 'preBind', type: 'PreBindPlugin' },
  { point: 'bind', part: 'bind', type: 'BindPlugin' },
  { point: 'postBind', part: 'postBind', type: 'PostBindPlugin' },
]

/** Points whose work is done within another one's: what is said of one must be said of the other. */
const joined: readonly (readonly [PointName, PointName])[] = [
  ['preFilter', 'filter'],
  ['preScore', 'score'],
]

/**
 * Makes the profile that a configuration asks for: the default plugins, those of `further`, and what is enabled and disabled of them at every
 * point or at some, in kube-scheduler's order.
 * @throws Error in kube-scheduler's words for plugins that do not exist, do not extend the point or are there twice
 */
export function configuredProfile(
  handle: SchedulerHandle,
  configuration: ProfileConfiguration,
  further: readonly PluginDefinition[] = [],
): Profile {
  const { schedulerName, plugins, args, percentageOfNodesToScore } = configuration
  const usual = [...inTreePlugins, ...further.map((definition) => ({ definition, weight: 1 }))]
  const definitions = new Map(usual.map(({ definition }) => [definition.name, definition]))
  const made = new Map<string, Plugin>()
  const plugin = (name: string, type: string): Plugin => {
    const known = made.get(name)
    if (known !== undefined) return known
    const definition = definitions.get(name)
    if (definition === undefined) throw new Error(`${type} "${name}" does not exist`)
    const created = definition.create(handle, args)
    made.set(name, created)
    return created
  }
  for (const [point, other] of joined) checkJoined(plugins, point, other)
  const everywhere = mergedWithDefaults(usual, plugins.multiPoint ?? {})
  const byPart = new Map(
    points.map(({ point, part, type }) => [
      part,
      atPoint(plugins[point] ?? {}, everywhere, (name) => plugin(name, type), part, type),
    ]),
  )
  const profile = composeProfile(schedulerName, (part) => byPart.get(part) ?? [])
  checkWhole(profile, byPart.get('queueSort')?.length ?? 0)
  return percentageOfNodesToScore === undefined ? profile : { ...profile, percentageOfNodesToScore }
}

/** The default plugins without those disabled and with those set anew, then the others that are enabled. */
function mergedWithDefaults(
  usual: typeof inTreePlugins,
  { enabled = [], disabled = [] }: PluginSetDocument,
): PluginDocument[] {
  const isOff = (name: string): boolean => disabled.some((d) => d.name === name || d.name === '*')
  const kept = usual.filter(({ definition }) => !isOff(definition.name))
  const own = (name: string): PluginDocument | undefined => enabled.find((e) => e.name === name)
  return [
    ...kept.map(({ definition: { name }, weight }) => own(name) ?? { name, weight }),
    ...enabled.filter(({ name }) => !kept.some(({ definition }) => definition.name === name)),
  ]
}

/**
 * The plugins of one point: first those set anew there, in the order given there, then the others that are enabled everywhere, then those that are
 * enabled only there.
 */
function atPoint(
  { enabled = [], disabled = [] }: PluginSetDocument,
  everywhere: readonly PluginDocument[],
  plugin: (name: string) => Plugin,
  part: Exclude<keyof Plugin, 'name'>,
  type: string,
): ProfilePlugin[] {
  const refuseTwice = (list: readonly PluginDocument[]): void => {
    const twice = list.find(({ name }, i) => list.findIndex((other) => other.name === name) < i)
    if (twice !== undefined) throw new Error(`plugin "${twice.name}" already registered as "${type}"`)
  }
  for (const { name } of enabled) {
    if (plugin(name)[part] === undefined) throw new Error(`plugin "${name}" does not extend ${type} plugin`)
  }
  const isOff = (name: string): boolean => disabled.some((d) => d.name === name || d.name === '*')
  const expanded = everywhere.filter(({ name }) => !isOff(name) && plugin(name)[part] !== undefined)
  refuseTwice(enabled)
  refuseTwice(expanded)
  const isIn = (list: readonly PluginDocument[], name: string): boolean => list.some((p) => p.name === name)
  return [
    ...enabled.filter(({ name }) => isIn(expanded, name)),
    ...expanded.filter(({ name }) => !isIn(enabled, name)),
    ...enabled.filter(({ name }) => !isIn(expanded, name)),
  ].map(({ name, weight }) => ({ plugin: plugin(name), weight: weight === undefined || weight === 0 ? 1 : weight }))
}

function checkJoined(plugins: PluginsDocument, point: PointName, other: PointName): void {
  for (const list of ['enabled', 'disabled'] as const) {
    const lone = plugins[point]?.[list]?.find((p) => !plugins[other]?.[list]?.some((o) => o.name === p.name))
    if (lone !== undefined)
      throw new Error(`plugins.${point}.${list}: "${lone.name}" must be ${list} for ${other} as well: they go together`)
  }
}

function checkWhole({ schedulerName, bind, scores }: Profile, queueSorts: number): void {
  const whose = `for profile with scheduler name "${schedulerName}"`
  if (queueSorts !== 1) throw new Error(`only one queue sort plugin required ${whose}, but got ${queueSorts}`)
  if (bind.length === 0) throw new Error(`at least one bind plugin is needed ${whose}`)
  const negative = scores.find(({ weight }) => weight < 0)
  if (negative !== undefined) throw new Error(`score plugin "${negative.plugin.name}" has a negative weight ${whose}`)
}
