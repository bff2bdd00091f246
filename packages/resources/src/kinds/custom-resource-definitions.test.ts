import { describe, expect, it } from 'vitest'
import { cronTabDefinition, type CronTabOptions, established } from '../testing.ts'
import { customResourceDefinitions } from './custom-resource-definitions.ts'

const { strategy } = customResourceDefinitions
const prepared = (options: CronTabOptions = {}) => {
  const crd = structuredClone(cronTabDefinition(options))
  strategy.applyDefaults?.(crd)
  strategy.prepareForCreate?.(crd)
  return crd
}
const problems = (options: CronTabOptions): string[] => {
  const crd = prepared(options)
  const errors = [...(strategy.validate?.(crd) ?? []), ...(strategy.validateCreate?.(crd) ?? [])]
  return errors.map(({ field, message }) => `${field}: ${message}`)
}
const withSchema = (schema: object, more: object = {}): CronTabOptions => ({
  version: { schema: { openAPIV3Schema: schema }, subresources: {}, ...more },
})
const ofSpec = (spec: object): CronTabOptions => withSchema({ type: 'object', properties: { spec } })
const at = 'spec.versions[0].schema.openAPIV3Schema'

describe('a CustomResourceDefinition', () => {
  it('gets the names that it leaves out, and the version that is stored', () => {
    const crd = prepared({ names: { singular: '', listKind: undefined } })
    expect(crd.spec.names).toMatchObject({ singular: 'crontab', listKind: 'CronTabList' })
    expect(crd.spec.conversion).toEqual({ strategy: 'None' })
    expect(crd.status).toEqual({ storedVersions: ['v1'] })
    expect(problems({})).toEqual([])
  })

  it.each<[string, CronTabOptions, string[]]>([
    [
      'a group without a dot',
      { group: 'example' },
      ['spec.group: Invalid value: "example": should be a domain with at least one dot'],
    ],
    [
      'another name',
      { spec: { group: 'other.example.com' } },
      ['metadata.name: Invalid value: "crontabs.stable.example.com": must be spec.names.plural+"."+spec.group'],
    ],
    [
      'another scope',
      { spec: { scope: 'Universe' } },
      ['spec.scope: Unsupported value: "Universe": supported values: "Cluster", "Namespaced"'],
    ],
    [
      'the kind of a list as kind',
      { names: { listKind: 'CronTab' } },
      ['spec.names.listKind: Invalid value: "CronTab": kind and listKind may not be the same'],
    ],
    ['no schema', { version: { schema: undefined } }, [`${at}: Required value`]],
    [
      'a protected group that nobody approved',
      { group: 'x.k8s.io' },
      [
        'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
      ],
    ],
    [
      'a value without a type',
      ofSpec({ properties: {} }),
      [`${at}.properties[spec].type: Required value: must not be empty for specified object fields`],
    ],
    [
      'a list without items',
      ofSpec({ type: 'array' }),
      [`${at}.properties[spec].items: Required value: must be specified`],
    ],
    [
      'a type within a combination',
      ofSpec({ type: 'integer', anyOf: [{ type: 'integer' }] }),
      [`${at}.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural`],
    ],
    [
      'a restriction of what is not specified',
      withSchema({ type: 'object', properties: { spec: { type: 'object' } }, allOf: [{ properties: { a: {} } }] }),
      [`${at}.properties[a]: Required value: because it is defined in ${at}.allOf[0].properties[a]`],
    ],
    [
      'both kinds of properties',
      ofSpec({ type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } }),
      [
        `${at}.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
      ],
    ],
    [
      'a default that is no value',
      ofSpec({ type: 'integer', default: 'x' }),
      [`${at}.properties[spec].default: Invalid value: "string":  in body must be of type integer: "string"`],
    ],
    [
      'a default with unknown fields',
      ofSpec({ type: 'object', default: { a: 1 } }),
      [`${at}.properties[spec].default: Invalid value: {"a":1}: must not have unknown fields`],
    ],
    [
      'a pattern that is none',
      ofSpec({ type: 'string', pattern: '(' }),
      [expect.stringMatching(/properties\[spec\]\.pattern: Invalid value: "\(": must be a valid regular expression/)],
    ],
    [
      'a map without keys',
      ofSpec({ type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' }),
      [
        `${at}.properties[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`,
      ],
    ],
    [
      'a key that may be missing',
      ofSpec({
        type: 'array',
        items: { type: 'object', properties: { a: { type: 'string' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['a'],
      }),
      [
        `${at}.properties[spec].items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
      ],
    ],
    [
      'a column of another type',
      { version: { additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: '.a' }] } },
      [
        'spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
      ],
    ],
    [
      'replicas outside of spec',
      {
        version: { subresources: { scale: { specReplicasPath: '.replicas', statusReplicasPath: '.status.replicas' } } },
      },
      [
        'spec.versions[0].subresources.scale.specReplicasPath: Invalid value: ".replicas": should be a json path under .spec',
      ],
    ],
    [
      'a selectable field of another type',
      { version: { selectableFields: [{ jsonPath: '.spec.ports' }, { jsonPath: '.spec.none' }] } },
      [
        'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.ports": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        'spec.versions[0].selectableFields[1].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field',
      ],
    ],
  ])('is refused with %s', (_what, options, expected) => {
    expect(problems(options)).toEqual(expected)
  })

  it('has exactly one stored version', () => {
    const two = { name: 'v2', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }
    expect(problems({ versions: [two] })[0]).toMatch(
      /^spec\.versions: Invalid value: .*: must have exactly one version marked as storage version$/,
    )
  })

  it('keeps its names and its scope, and every version that was ever stored', () => {
    const old = established(prepared())
    const changed = structuredClone(old)
    changed.spec.scope = 'Cluster'
    changed.spec.names.kind = 'Other'
    expect(strategy.validateUpdate?.(changed, old).map(({ field }) => field)).toEqual(['spec.scope', 'spec.names.kind'])
    const moved = structuredClone(old)
    moved.spec.versions = [{ ...(moved.spec.versions[0] as object), name: 'v2' } as never]
    strategy.prepareForUpdate?.(moved, old)
    expect(moved.status?.storedVersions).toEqual(['v1', 'v2'])
    expect(strategy.validate?.(moved).map(({ field }) => field)).toEqual(['status.storedVersions[0]'])
  })

  it('is held back until its objects are gone when it is deleted', () => {
    const crd = strategy.prepareForDelete?.(prepared(), 0)
    expect(crd?.metadata.finalizers).toEqual(['customresourcecleanup.apiextensions.k8s.io'])
    expect(crd?.status?.conditions).toMatchObject([
      { type: 'Terminating', status: 'True', reason: 'InstanceDeletionPending' },
    ])
  })

  it('warns of formats that nobody knows', () => {
    expect(strategy.warnings?.(prepared(ofSpec({ type: 'string', format: 'poem' })))).toEqual([
      'unrecognized format "poem"',
    ])
  })
})
