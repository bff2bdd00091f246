import { describe, expect, it } from 'vitest'
import type { JsonSchema, SchemaRule } from '../custom/json-schema.ts'
import { schemaRuleErrors, schemaRules, unevaluatedRules } from './schema-rules.ts'

const integer: JsonSchema = { type: 'integer' }
const text: JsonSchema = { type: 'string' }
const specSchema: JsonSchema = {
  type: 'object',
  properties: {
    min: integer,
    max: integer,
    ratio: { type: 'number' },
    name: text,
    namespace: text,
    'x-prop': text,
    port: { 'x-kubernetes-int-or-string': true },
    list: { type: 'array', items: integer },
    ports: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['port'],
      items: { type: 'object', properties: { port: integer, name: text } },
    },
    labels: { type: 'object', additionalProperties: text },
    since: { type: 'string', format: 'date-time' },
    wait: { type: 'string', format: 'duration' },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { known: text } },
    anything: { 'x-kubernetes-preserve-unknown-fields': true },
  },
}
const withRules = (schema: JsonSchema, ...rules: (string | SchemaRule)[]): JsonSchema => ({
  ...schema,
  'x-kubernetes-validations': rules.map((rule) => (typeof rule === 'string' ? { rule } : rule)),
})
const root = (spec: JsonSchema): JsonSchema => ({ type: 'object', properties: { spec } })
const object = (spec: object): any => ({
  apiVersion: 'stable.example.com/v1',
  kind: 'CronTab',
  metadata: { name: 'tab', labels: { a: 'b' } },
  spec,
})
const found = (schema: JsonSchema, spec: object, old?: object): string[] =>
  (schemaRules(schema)?.errors(object(spec), old === undefined ? undefined : object(old)) ?? []).map(
    ({ field, message }) => `${field}: ${message}`,
  )
const holds = (rule: string, spec: object, old?: object): boolean =>
  found(root(withRules(specSchema, rule)), spec, old).length === 0

const spec = {
  min: 1,
  max: 5,
  ratio: 0.5,
  name: 'web-1',
  namespace: 'n',
  'x-prop': 'q',
  port: 80,
  list: [1, 2, 3],
  ports: [
    { port: 80, name: 'http' },
    { port: 443, name: 'https' },
  ],
  labels: { a: '1', b: '2' },
  since: '2026-01-01T00:00:00Z',
  wait: '90s',
  free: { known: 'k', other: 1 },
}

describe('a rule of a schema', () => {
  it.each([
    ['self.min <= self.max', true],
    ['self.min > self.max', false],
    ['self.ratio < 1.0', true],
    ['has(self.max) && !has(self.labels.zzz)', true],
    ['self.name.startsWith("web") && self.name.matches("^[a-z]+-[0-9]$")', true],
    ['self.__namespace__ == "n" && self.x__dash__prop == "q"', true],
    ['type(self.port) == int ? self.port == 80 : self.port == "http"', true],
    ['self.list.all(i, i > 0) && self.list.sum() == 6 && self.list.isSorted() && self.list.max() == 3', true],
    ['self.list.indexOf(2) == 1 && self.list.indexOf(9) == -1', true],
    ['self.ports.exists_one(p, p.port == 80 && p.name == "http")', true],
    ['self.ports.map(p, p.port).filter(p, p > 100).size() == 1', true],
    ['has(self.ports[0].name)', true],
    ['!(has(self.min) && self.min > 3)', true],
    ['(has(self.min) ? 1 : 0) + (has(self.max) ? 1 : 0) == 2', true],
    ['(has(self.ports[0].name))', true],
    ['self.ports[0] == self.ports[0] && self.ports[0] != self.ports[1]', true],
    ['self.labels["a"] == "1" && "b" in self.labels && self.labels.all(k, self.labels[k].size() == 1)', true],
    ['self.since < timestamp("2026-06-01T00:00:00Z") && self.wait > duration("1m")', true],
    ['self.free.known == "k"', true],
    ['self.?name.orValue("x") == "web-1" && cel.bind(m, self.max, m > self.min)', true],
    ['quantity("1Gi").isGreaterThan(quantity("1Mi"))', true],
    ['isURL("https://example.com:80/a") && url("https://example.com:80/a").getHostname() == "example.com"', true],
    ['isIP("10.0.0.1") && ip("::1").family() == 6 && ip("127.0.0.1").isLoopback()', true],
    ['cidr("10.0.0.0/8").containsIP("10.1.2.3") && !cidr("10.0.0.0/8").containsCIDR("11.0.0.0/16")', true],
    ['cidr("10.1.2.3/8").masked() == cidr("10.0.0.0/8") && string(ip("2001:db8:0:0::1")) == "2001:db8::1"', true],
    ['"a1b2".findAll("[0-9]") == ["1", "2"]', true],
  ])('%s is %s', (rule, expected) => {
    expect(holds(rule, spec)).toBe(expected)
  })

  it('at the root sees type and name, and no other metadata', () => {
    const schema = (rule: string) => withRules(root(specSchema), rule)
    expect(found(schema('self.metadata.name == "tab" && self.kind == "CronTab" && self.spec.min == 1'), spec)).toEqual(
      [],
    )
    expect(schemaRuleErrors(schema('self.metadata.labels.size() > 0'), 'schema')).toHaveLength(1)
  })

  it('is told of by its message, at its place', () => {
    const rule = { rule: 'self.min <= self.max', message: 'min must not be above max' }
    expect(found(root(withRules(specSchema, rule)), { min: 5, max: 1 })).toEqual([
      'spec: Invalid value: min must not be above max',
    ])
    expect(found(root(withRules(specSchema, { rule: rule.rule })), { min: 5, max: 1 })).toEqual([
      'spec: Invalid value: failed rule: self.min <= self.max',
    ])
    const computed = { ...rule, messageExpression: '"min is " + string(self.min)', fieldPath: '.min' }
    expect(found(root(withRules(specSchema, computed)), { min: 5, max: 1 })).toEqual([
      'spec.min: Invalid value: min is 5',
    ])
    const forbidden = { ...rule, reason: 'FieldValueForbidden' }
    expect(found(root(withRules(specSchema, forbidden)), { min: 5, max: 1 })).toEqual([
      'spec: Forbidden: min must not be above max',
    ])
    const list: JsonSchema = { type: 'array', items: withRules(integer, 'self < 3') }
    expect(found(root({ type: 'object', properties: { list } }), { list: [1, 4] })).toEqual([
      'spec.list[1]: Invalid value: 4: failed rule: self < 3',
    ])
    expect(found(withRules(root(specSchema), 'self.spec.min > 1'), spec)).toEqual([
      '<nil>: Invalid value: failed rule: self.spec.min > 1',
    ])
  })

  it('that cannot be evaluated is told of, too', () => {
    expect(found(root(withRules(specSchema, 'self.min < self.max')), { min: 1 })).toEqual([
      'spec: Invalid value: "object": No such key: max evaluating rule: self.min < self.max',
    ])
  })

  it('takes null for absent', () => {
    expect(holds('!has(self.name)', { name: null })).toBe(true)
  })
})

describe('a rule about a change', () => {
  it('is asked when there was a state before', () => {
    const rule = 'self.min == oldSelf.min'
    expect([holds(rule, { min: 1 }), holds(rule, { min: 1 }, { min: 1 }), holds(rule, { min: 2 }, { min: 1 })]).toEqual(
      [true, true, false],
    )
  })

  it('is asked without one where it wants to be', () => {
    const rule = { rule: 'oldSelf.hasValue() || self.min == 1', optionalOldSelf: true }
    const schema = root(withRules(specSchema, rule))
    expect([found(schema, { min: 1 }), found(schema, { min: 2 }), found(schema, { min: 2 }, { min: 3 })]).toEqual([
      [],
      [expect.stringContaining('failed rule')],
      [],
    ])
  })

  it('knows the items of keyed lists again', () => {
    const items = withRules(specSchema.properties?.['ports']?.items as JsonSchema, 'self.name == oldSelf.name')
    const ports: JsonSchema = { ...specSchema.properties?.['ports'], items }
    const schema = root({ type: 'object', properties: { ports } })
    const before = { ports: [{ port: 1, name: 'a' }] }
    expect(found(schema, { ports: [{ port: 2, name: 'b' }, ...before.ports] }, before)).toEqual([])
    expect(found(schema, { ports: [{ port: 1, name: 'c' }] }, before)).toHaveLength(1)
  })

  it('that has come since is not held against what stays as it is', () => {
    expect(holds('self.min > 5', { min: 1 }, { min: 1 })).toBe(true)
    expect(holds('self.min > 5', { min: 2 }, { min: 1 })).toBe(false)
  })
})

describe('the rules of a definition', () => {
  const problems = (rule: string | SchemaRule): string[] =>
    schemaRuleErrors(root(withRules(specSchema, rule)), 'schema').map(({ field, message }) => `${field}: ${message}`)
  const at = 'schema.properties[spec].x-kubernetes-validations[0]'

  it.each<[string | SchemaRule, string]>([
    [
      'self.nothing == 1',
      `${at}.rule: Invalid value: {"rule":"self.nothing == 1"}: compilation failed: No such key: nothing`,
    ],
    [
      'self.min == "x"',
      `${at}.rule: Invalid value: {"rule":"self.min == \\"x\\""}: compilation failed: no such overload: int == string`,
    ],
    ['self.min', `${at}.rule: Invalid value: {"rule":"self.min"}: cel expression must evaluate to a bool`],
    ['self.min <', expect.stringContaining('compilation failed') as unknown as string],
    ['self.anything == 1', expect.stringContaining('No such key: anything') as unknown as string],
    [
      { rule: 'self.min > 0', messageExpression: 'self.min' },
      `${at}.messageExpression: Invalid value: {"rule":"self.min > 0","messageExpression":"self.min"}: messageExpression must evaluate to a string`,
    ],
    [
      { rule: 'self.min > 0', optionalOldSelf: true },
      `${at}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule`,
    ],
    [
      'self.list.all(a, self.list.all(b, self.list.all(c, self.list.all(d, a + b + c == d))))',
      expect.stringContaining('estimated rule cost exceeds budget by factor of') as unknown as string,
    ],
  ])('are refused where they cannot be compiled: %j', (rule, expected) => {
    expect(problems(rule)).toEqual([expected])
  })

  it('that are beyond what is evaluated are stored with a warning', () => {
    const rule = '"%s".format([self.name]) == "x"'
    expect(problems(rule)).toEqual([])
    expect(unevaluatedRules(root(withRules(specSchema, rule)))).toEqual([
      `x-kubernetes-validations: this rule is not evaluated here: ${rule}`,
    ])
    expect(holds(rule, spec)).toBe(true)
  })

  it('end where an object is too large for them', () => {
    const rule = 'self.list.all(a, self.list.exists(b, a == b))'
    const list = Array.from({ length: 5000 }, (_, i) => i)
    expect(found(root(withRules(specSchema, rule)), { list })).toEqual([
      'spec: Invalid value: "object": validation failed due to running out of cost budget, no further validation rules will be run',
    ])
  })
})
