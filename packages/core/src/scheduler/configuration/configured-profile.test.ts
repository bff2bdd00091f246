import { describe, expect, it } from 'vitest'
import { ClusterState } from '../cluster-state.ts'
import { DefaultSelectors } from '../default-selector.ts'
import type { Profile } from '../framework.ts'
import { createScheduler } from '../index.ts'
import { defaultProfile } from '../profile.ts'
import { testHandle } from '../reference/test-handle.ts'
import { configuredProfile } from './configured-profile.ts'
import type { PluginsDocument } from './document.ts'
import { readSchedulerConfiguration } from './scheduler-configuration.ts'

const handle = () => testHandle(new ClusterState(), new DefaultSelectors())
const configurationOf = (plugins: PluginsDocument) =>
  readSchedulerConfiguration({
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    profiles: [{ plugins }],
  })

function profileWith(plugins: PluginsDocument): Profile {
  const [profile] = configurationOf(plugins).profiles
  if (profile === undefined) throw new Error('no profile')
  return configuredProfile(handle(), profile)
}

const filtersOf = (profile: Profile): string[] => profile.filters.map(({ name }) => name)
const scoresOf = (profile: Profile): string[] => profile.scores.map(({ plugin, weight }) => `${plugin.name} ${weight}`)
const usual = defaultProfile(handle())

describe('a configured profile', () => {
  it('has the default plugins where nothing is said', () => {
    const profile = profileWith({})
    expect([filtersOf(profile), scoresOf(profile)]).toEqual([filtersOf(usual), scoresOf(usual)])
  })

  it('leaves out a plugin at one point, or at all', () => {
    const disabled = [{ name: 'TaintToleration' }]
    const atOne = profileWith({ score: { disabled } })
    expect([filtersOf(atOne), scoresOf(atOne)]).toEqual([
      filtersOf(usual),
      scoresOf(usual).filter((s) => !s.startsWith('TaintToleration')),
    ])
    const everywhere = profileWith({ multiPoint: { disabled } })
    expect([...filtersOf(everywhere), ...scoresOf(everywhere)].join()).not.toContain('TaintToleration')
  })

  it('has only what is enabled where all else is disabled', () => {
    const disabled = [{ name: '*' }]
    const enabled = [{ name: 'ImageLocality', weight: 7 }, { name: 'NodeAffinity' }]
    const profile = profileWith({ score: { disabled, enabled }, postFilter: { disabled } })
    expect([scoresOf(profile), profile.postFilters]).toEqual([['ImageLocality 7', 'NodeAffinity 1'], []])
    expect(filtersOf(profile)).toEqual(filtersOf(usual))
  })

  it('has only what is enabled at all points where everything is disabled', () => {
    const profile = profileWith({
      multiPoint: {
        disabled: [{ name: '*' }],
        enabled: [{ name: 'PrioritySort' }, { name: 'NodeResourcesFit', weight: 5 }, { name: 'DefaultBinder' }],
      },
    })
    expect([filtersOf(profile), scoresOf(profile)]).toEqual([['NodeResourcesFit'], ['NodeResourcesFit 5']])
  })

  it('puts first what is set anew at a point, and keeps the place of what is set anew for all', () => {
    const enabled = [{ name: 'ImageLocality', weight: 9 }]
    expect(scoresOf(profileWith({ score: { enabled } }))[0]).toBe('ImageLocality 9')
    const places = (list: string[]): string[] => list.map((s) => s.replace(/ \d+$/, ''))
    expect(places(scoresOf(profileWith({ multiPoint: { enabled } })))).toEqual(places(scoresOf(usual)))
    expect(scoresOf(profileWith({ multiPoint: { enabled } }))).toContain('ImageLocality 9')
  })

  it.each<[PluginsDocument, string]>([
    [{ filter: { enabled: [{ name: 'Nothing' }] } }, 'FilterPlugin "Nothing" does not exist'],
    [{ score: { enabled: [{ name: 'NodePorts' }] } }, 'plugin "NodePorts" does not extend ScorePlugin plugin'],
    [
      { score: { enabled: [{ name: 'NodeAffinity' }, { name: 'NodeAffinity' }] } },
      'plugin "NodeAffinity" already registered as "ScorePlugin"',
    ],
    [
      { queueSort: { disabled: [{ name: '*' }] } },
      'only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 0',
    ],
    [
      { bind: { disabled: [{ name: 'DefaultBinder' }] } },
      'at least one bind plugin is needed for profile with scheduler name "default-scheduler"',
    ],
    [
      { preFilter: { disabled: [{ name: 'NodePorts' }] } },
      'plugins.preFilter.disabled: "NodePorts" must be disabled for filter as well: they go together',
    ],
  ])('is refused when the scheduler is made: %j', (plugins, message) => {
    expect(() => createScheduler({ configuration: configurationOf(plugins) })).toThrow(
      new Error(`creating profile for scheduler name default-scheduler: ${message}`),
    )
  })
})
