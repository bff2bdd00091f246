import type { Plugin, PluginDefinition, Profile, RequeueHints, SchedulerHandle } from './framework.ts'
import { type PluginArgs, pluginArgsDefaults } from './plugin-args.ts'
import { prioritySort } from './plugins/priority-sort.ts'
import { inTreePlugins } from './plugins/registry.ts'

/** The scheduler that pods get which name none. */
export const defaultSchedulerName = 'default-scheduler'

/** A plugin of a profile. */
export interface ProfilePlugin {
  readonly plugin: Plugin
  /** How much its score counts. */
  readonly weight: number
}

/** Puts together a profile of the plugins that a point has, in their order. */
export function composeProfile(
  schedulerName: string,
  pluginsAt: (point: Exclude<keyof Plugin, 'name'>) => readonly ProfilePlugin[],
): Profile {
  const at = <K extends Exclude<keyof Plugin, 'name'>>(point: K): NonNullable<Plugin[K]>[] =>
    pluginsAt(point).flatMap(({ plugin }) =>
      plugin[point] === undefined ? [] : [plugin[point] as NonNullable<Plugin[K]>],
    )
  const filters = at('filter')
  const permit = at('permit')
  // A plugin that rejects at two points tells by its filter when to try again.
  const others = permit.filter(hasHints).filter((p) => !filters.some((f) => f.name === p.name))
  return {
    schedulerName,
    preEnqueue: at('preEnqueue'),
    queueSort: at('queueSort')[0] ?? prioritySort,
    filters,
    postFilters: at('postFilter'),
    scores: pluginsAt('score').flatMap(({ plugin: { score }, weight }) =>
      score === undefined ? [] : [{ plugin: score, weight }],
    ),
    reserve: at('reserve'),
    permit,
    preBind: at('preBind'),
    bind: at('bind'),
    postBind: at('postBind'),
    rejectors: [...filters, ...others],
  }
}

function hasHints<P extends Partial<RequeueHints>>(plugin: P): plugin is P & RequeueHints {
  return plugin.mayHelp !== undefined
}

/** kube-scheduler's default plugins in its order and with its weights, and further ones. */
export function defaultProfile(
  handle: SchedulerHandle,
  schedulerName = defaultSchedulerName,
  further: readonly PluginDefinition[] = [],
  args: PluginArgs = pluginArgsDefaults,
): Profile {
  const plugins = [...inTreePlugins, ...further.map((definition) => ({ definition, weight: 1 }))]
  const made = plugins.map(({ definition, weight }) => ({ plugin: definition.create(handle, args), weight }))
  return composeProfile(schedulerName, () => made)
}
