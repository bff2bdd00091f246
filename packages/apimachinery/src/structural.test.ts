import { describe, expect, it } from 'vitest'
import { decodeStructural } from './structural.ts'
import { lookup, workloadSchema } from './testing-schemas.ts'

const decode = (value: unknown) => decodeStructural(workloadSchema, lookup, value)
const decodeSpec = (spec: unknown) => {
  const { value, ...rest } = decode({ spec })
  return { spec: value['spec'], ...rest }
}

describe('decodeStructural', () => {
  it('gives back the very object when nothing has to change', () => {
    const object = {
      metadata: { name: 'a', labels: { a: 'b' }, creationTimestamp: '2026-01-02T03:04:05Z' },
      spec: { replicas: 3, template: { containers: [{ name: 'c', limits: { cpu: '100m' }, args: ['a'] }] } },
    }
    const decoded = decode(object)
    expect(decoded.value).toBe(object)
    expect(decoded).toMatchObject({ unknownFields: [], typeError: undefined })
  })

  it('drops unknown fields, reports where they stood, and shares what it need not change', () => {
    const object = {
      metadata: { name: 'a' },
      spec: {
        replica: 1,
        template: { containers: [{ name: 'a' }, { name: 'b', imagee: 'x' }] },
        byZone: { 'eu.west': { typo: 1 } },
      },
      extra: true,
    }
    const before = structuredClone(object)
    const decoded = decode(object)
    expect(decoded.unknownFields).toEqual([
      'spec.replica',
      'spec.template.containers[1].imagee',
      'spec.byZone.eu.west.typo',
      'extra',
    ])
    expect(decoded.value).toEqual({
      metadata: { name: 'a' },
      spec: { template: { containers: [{ name: 'a' }, { name: 'b' }] }, byZone: { 'eu.west': {} } },
    })
    expect(decoded.value['metadata']).toBe(object.metadata)
    expect(object).toEqual(before)
  })

  it('keeps unknown fields where the schema says so', () => {
    const spec = { template: { volumes: [{ name: 'v', emptyDir: { whatever: { deep: null } } }] }, anything: [1, null] }
    expect(decodeSpec(spec)).toEqual({ spec, unknownFields: [], typeError: undefined })
  })

  it('takes nulls for absent members, and for zero values in lists and maps', () => {
    const { spec } = decodeSpec({
      replicas: null,
      template: { containers: [null, { name: 'a', args: ['x', null] }], nodeSelector: { a: null } },
    })
    expect(spec).toEqual({
      template: { containers: [{}, { name: 'a', args: ['x', ''] }], nodeSelector: { a: '' } },
    })
  })

  const changed: [name: string, spec: object, result: object][] = [
    [
      'writes quantities in their canonical form',
      { template: { containers: [{ limits: { cpu: '0.5', memory: 1024 } }] } },
      { template: { containers: [{ limits: { cpu: '500m', memory: '1024' } }] } },
    ],
    [
      'keeps canonical quantities',
      { template: { containers: [{ limits: { memory: '128Mi' } }] } },
      { template: { containers: [{ limits: { memory: '128Mi' } }] } },
    ],
    [
      'writes micro times with six digits',
      { renewTime: '2026-01-02T03:04:05.5Z' },
      { renewTime: '2026-01-02T03:04:05.500000Z' },
    ],
    ['joins base64 that was broken into lines', { caBundle: 'aGVs\nbG8h\n' }, { caBundle: 'aGVsbG8h' }],
  ]
  it.each(changed)('%s', (_, spec, result) => {
    expect(decodeSpec(spec)).toMatchObject({ spec: result, typeError: undefined })
  })

  it('writes times in UTC with second precision', () => {
    const { value } = decode({ metadata: { creationTimestamp: '2026-01-02T03:04:05.678+02:00' } })
    expect(value).toEqual({ metadata: { creationTimestamp: '2026-01-02T01:04:05Z' } })
  })

  const go = 'json: cannot unmarshal'
  const refused: [spec: unknown, message: string][] = [
    [{ replicas: '3' }, `${go} string into Go struct field WorkloadSpec.spec.replicas of type int32`],
    [{ replicas: 1.5 }, `${go} number 1.5 into Go struct field WorkloadSpec.spec.replicas of type int32`],
    [
      { replicas: 2_147_483_648 },
      `${go} number 2147483648 into Go struct field WorkloadSpec.spec.replicas of type int32`,
    ],
    [{ seed: true }, `${go} bool into Go struct field WorkloadSpec.spec.seed of type int64`],
    [{ paused: 'yes' }, `${go} string into Go struct field WorkloadSpec.spec.paused of type bool`],
    [{ ratio: [] }, `${go} array into Go struct field WorkloadSpec.spec.ratio of type float64`],
    [{ template: [] }, `${go} array into Go struct field WorkloadSpec.spec.template of type v1.PodSpec`],
    [
      { template: { containers: {} } },
      `${go} object into Go struct field PodSpec.spec.template.containers of type []v1.Container`,
    ],
    [
      { template: { containers: [{ image: 5 }] } },
      `${go} number into Go struct field Container.spec.template.containers.image of type string`,
    ],
    [
      { template: { containers: ['web'] } },
      `${go} string into Go struct field PodSpec.spec.template.containers of type v1.Container`,
    ],
    [
      { template: { nodeSelector: { a: true } } },
      `${go} bool into Go struct field PodSpec.spec.template.nodeSelector of type string`,
    ],
    [
      { template: { nodeSelector: 'a' } },
      `${go} string into Go struct field PodSpec.spec.template.nodeSelector of type map[string]string`,
    ],
    [{ maxSurge: 1.5 }, `${go} number 1.5 into Go value of type int32`],
    [{ caBundle: 'a*bc' }, 'illegal base64 data at input byte 1'],
    [{ renewTime: 'now' }, 'parsing time "now" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "now" as "2006"'],
    [
      { template: { containers: [{ limits: { cpu: 'lots' } }] } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    ['text', `${go} string into Go struct field Workload.spec of type v1.WorkloadSpec`],
  ]
  it.each(refused)('refuses %j', (spec, message) => {
    expect(decodeSpec(spec).typeError).toBe(message)
  })

  it('reports the first of several type errors', () => {
    expect(decodeSpec({ replicas: 'a', paused: 'b' }).typeError).toContain('spec.replicas')
  })

  it('refuses what is no object at all', () => {
    expect(decode([]).typeError).toBe('json: cannot unmarshal array into Go value of type v1.Workload')
  })
})
