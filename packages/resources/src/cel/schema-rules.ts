import { type FieldError, forbiddenField, invalidValue, jsonEqual, required } from '@binnacle/apimachinery'
import { type ASTNode, Environment, Optional } from '@marcbachmann/cel-js'
import {
  additionalSchema,
  everySchema,
  isJsonObject,
  type JsonObject,
  type JsonSchema,
  type SchemaRule,
} from '../custom/json-schema.ts'
import { itemsByKeys } from '../custom/list-types.ts'
import { registerCollectionFunctions } from './collection-functions.ts'
import { everyNode, firstLine, isPlainPath, optionalHas, rewritten, stepsOf } from './expressions.ts'
import { registerKubernetesFunctions } from './kubernetes-functions.ts'
import { registerNetworkFunctions } from './network-functions.ts'
import { type SchemaType, SchemaTypes } from './schema-types.ts'

/** Rules of schemas in CEL: `x-kubernetes-validations` (apiextensions-apiserver `schema/cel`). */

/** Steps that a rule may take as estimated when it is defined; upstream has as many units of cost (`StaticEstimatedCostLimit`). */
const stepsMax = 10_000_000
/** Elements that a list is taken to have whose schema does not bound it. */
const elementsAssumed = 64
/** Steps that one object's rules may take, by the lists that it has (`RuntimeCELCostBudget`). */
const objectStepsMax = 10_000_000

const base = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false })
registerKubernetesFunctions(base)
registerCollectionFunctions(base)
registerNetworkFunctions(base)

interface CompiledRule {
  readonly source: SchemaRule
  readonly steps: (elements: number) => number
  readonly usesOldSelf: boolean
  readonly holds: (context: JsonObject) => unknown
  readonly message: ((context: JsonObject) => unknown) | undefined
}

/** A part of a schema that has rules, or has parts that do. */
interface RuleNode {
  readonly schema: JsonSchema
  readonly type: SchemaType | undefined
  readonly rules: readonly CompiledRule[]
  readonly properties: ReadonlyMap<string, RuleNode>
  readonly items: RuleNode | undefined
  readonly additional: RuleNode | undefined
}

/** Takes what is wrong with the rules themselves. */
type Complain = (error: FieldError) => void

class RuleCompiler {
  readonly #environment = base.clone()
  readonly #types = new SchemaTypes(this.#environment)
  readonly #complain: Complain

  constructor(complain: Complain) {
    this.#complain = complain
  }

  compile(schema: JsonSchema, path: string): RuleNode | undefined {
    // Every type is declared before the first rule is compiled.
    this.#types.typeOf(schema, 'Object', true)
    return this.#node(schema, path, 'Object')
  }

  #node(schema: JsonSchema, path: string, name: string): RuleNode | undefined {
    const properties = new Map<string, RuleNode>()
    for (const [property, inner] of Object.entries(schema.properties ?? {})) {
      const node = this.#node(inner, `${path}.properties[${property}]`, `${name}.${property}`)
      if (node !== undefined) properties.set(property, node)
    }
    const items = schema.items === undefined ? undefined : this.#node(schema.items, `${path}.items`, `${name}.item`)
    const other = additionalSchema(schema)
    const additional =
      other === undefined ? undefined : this.#node(other, `${path}.additionalProperties`, `${name}.value`)
    const own = schema['x-kubernetes-validations'] ?? []
    if (own.length === 0 && properties.size === 0 && items === undefined && additional === undefined) return undefined
    const type = this.#types.typeOf(schema, name)
    const rules = type === undefined ? [] : this.#rules(own, type, `${path}.x-kubernetes-validations`)
    return { schema, type, rules, properties, items, additional }
  }

  #rules(rules: readonly SchemaRule[], type: SchemaType, path: string): readonly CompiledRule[] {
    return rules.flatMap((rule, i) => {
      const field = `${path}[${i}]`
      const oldType = rule.optionalOldSelf === true ? `optional<${type.name}>` : type.name
      const scope = this.#environment.clone().registerVariable('self', type.name).registerVariable('oldSelf', oldType)
      try {
        return [compileRule(rule, scope, field, this.#complain)]
      } catch (error) {
        if (!isBeyondLibrary(rule.rule))
          this.#complain(invalidValue(`${field}.rule`, rule, `compilation failed: ${firstLine(error)}`))
        return []
      }
    })
  }
}

// Throws what the library says of a rule that it cannot compile.
function compileRule(rule: SchemaRule, scope: Environment, field: string, complain: Complain): CompiledRule {
  const { ast, run, type } = compileExpression(rule.rule, scope)
  if (type !== 'bool' && type !== 'dyn')
    complain(invalidValue(`${field}.rule`, rule, 'cel expression must evaluate to a bool'))
  const steps = (elements: number): number => stepsOf(ast, elements)
  const excess = steps(elementsAssumed) / stepsMax
  if (excess > 1) complain(forbiddenField(`${field}.rule`, costText(excess)))
  const usesOldSelf = [...everyNode(ast)].some((node) => node.op === 'id' && node.args === 'oldSelf')
  if (!usesOldSelf && rule.optionalOldSelf !== undefined)
    complain(
      invalidValue(`${field}.optionalOldSelf`, rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule'),
    )
  return { source: rule, steps, usesOldSelf, holds: run, message: compileMessage(rule, scope, field, complain) }
}

function costText(excess: number): string {
  const factor = excess > 100 ? 'more than 100x' : excess < 1.5 ? `${excess.toFixed(6)}x` : `${excess.toFixed(1)}x`
  return `estimated rule cost exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`
}

function compileMessage(
  rule: SchemaRule,
  scope: Environment,
  field: string,
  complain: Complain,
): CompiledRule['message'] {
  const { messageExpression = '' } = rule
  if (messageExpression.trim() === '') return undefined
  try {
    const { run, type } = compileExpression(messageExpression, scope)
    if (type === 'string' || type === 'dyn') return run
    complain(invalidValue(`${field}.messageExpression`, rule, 'messageExpression must evaluate to a string'))
  } catch (error) {
    if (!isBeyondLibrary(messageExpression))
      complain(
        invalidValue(`${field}.messageExpression`, rule, `messageExpression compilation failed: ${firstLine(error)}`),
      )
  }
  return undefined
}

// What Kubernetes knows and the library does not: such rules are stored, and not evaluated.
function isBeyondLibrary(source: string): boolean {
  return (
    /\.(?:format|transformList|transformMap|transformMapEntry)\(|\bformat\./.test(source) ||
    /\.(?:all|exists|existsOne)\(\s*\w+\s*,\s*\w+\s*,/.test(source)
  )
}

/** Rules of a schema that are stored and not evaluated, as texts for warnings. */
export function unevaluatedRules(schema: JsonSchema): string[] {
  return [...everySchema(schema)]
    .flatMap((part) => part['x-kubernetes-validations'] ?? [])
    .filter(({ rule }) => isBeyondLibrary(rule))
    .map(({ rule }) => `x-kubernetes-validations: this rule is not evaluated here: ${rule}`)
}

interface Expression {
  readonly ast: ASTNode
  readonly type: string
  readonly run: (context: JsonObject) => unknown
}

// Throws what the library says of an expression that it cannot compile.
function compileExpression(source: string, scope: Environment): Expression {
  const { ast } = scope.parse(source)
  const adapted = rewritten(ast, source, (node, inner) => {
    const isPlain = node.op === 'call' && node.args[0] === 'has' && isPlainPath(node.args[1][0] as ASTNode)
    return isPlain ? undefined : optionalHas(node, inner)
  })
  const { valid, type, error } = scope.check(adapted)
  if (!valid) throw error
  return { ast, type: String(type), run: scope.parse(adapted) }
}

/** What is wrong with the rules of a schema themselves. */
export function schemaRuleErrors(schema: JsonSchema, path: string): FieldError[] {
  if (!hasRules(schema)) return []
  const errors: FieldError[] = []
  new RuleCompiler((error) => errors.push(error)).compile(schema, path)
  return errors
}

const hasRules = (schema: JsonSchema): boolean =>
  [...everySchema(schema)].some((part) => (part['x-kubernetes-validations'] ?? []).length > 0)

/** The rules of a schema, which find what is wrong with an object. */
export interface SchemaRules {
  errors(object: JsonObject, old: JsonObject | undefined): FieldError[]
}

/** The rules of a schema; undefined where it has none. They are compiled when the first object comes. */
export function schemaRules(schema: JsonSchema): SchemaRules | undefined {
  if (!hasRules(schema)) return undefined
  let root: RuleNode | undefined
  let compiled = false
  return {
    errors(object, old) {
      // Whatever does not compile any more was refused when it was defined.
      if (!compiled) root = new RuleCompiler(() => undefined).compile(schema, '')
      compiled = true
      if (root === undefined) return []
      const run: Run = { errors: [], elements: largestCollection(object), stepsLeft: objectStepsMax }
      evaluate(root, { value: object, old, path: '' }, run)
      return run.errors
    },
  }
}

function largestCollection(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  const members = Object.values(value)
  return members.reduce((largest: number, member) => Math.max(largest, largestCollection(member)), members.length)
}

interface Run {
  readonly errors: FieldError[]
  readonly elements: number
  stepsLeft: number
}

interface Site {
  readonly value: unknown
  readonly old: unknown
  readonly path: string
}

function evaluate(node: RuleNode, site: Site, run: Run): void {
  const { value, old, path } = site
  if (value === null || value === undefined || run.stepsLeft < 0) return
  evaluateRules(node, site, run)
  if (Array.isArray(value) && node.items !== undefined) {
    const { items } = node
    const oldOf = correlation(node.schema, value, old)
    value.forEach((item, i) => evaluate(items, { value: item, old: oldOf(i), path: `${path}[${i}]` }, run))
  } else if (isJsonObject(value)) {
    // The members of an atomic object are not known again.
    const before = isJsonObject(old) && node.schema['x-kubernetes-map-type'] !== 'atomic' ? old : undefined
    for (const name of Object.keys(value)) {
      const isProperty = Object.hasOwn(node.schema.properties ?? {}, name)
      const inner = isProperty ? node.properties.get(name) : node.additional
      const at = isProperty ? `${path === '' ? '' : `${path}.`}${name}` : `${path}[${name}]`
      if (inner !== undefined) evaluate(inner, { value: value[name], old: before?.[name], path: at }, run)
    }
  }
}

function correlation(schema: JsonSchema, list: readonly unknown[], old: unknown): (index: number) => unknown {
  const keys = schema['x-kubernetes-list-map-keys']
  if (schema['x-kubernetes-list-type'] !== 'map' || keys === undefined || !Array.isArray(old)) return () => undefined
  const before = itemsByKeys(old, keys)
  const texts = [...itemsByKeys(list, keys).keys()]
  return texts.length === list.length ? (index) => before.get(texts[index] as string) : () => undefined
}

function evaluateRules({ rules, type, schema }: RuleNode, { value, old, path }: Site, run: Run): void {
  if (rules.length === 0 || type === undefined) return
  const field = path === '' ? '<nil>' : path
  const self = type.convert(value)
  const oldSelf = old === undefined || old === null ? undefined : type.convert(old)
  const isUnchanged = old !== undefined && jsonEqual(value, old)
  for (const rule of rules) {
    const { source, usesOldSelf } = rule
    const isOptional = source.optionalOldSelf === true
    // A transition needs a state before; what has not changed is not held against a rule that has come since.
    if (usesOldSelf ? oldSelf === undefined && !isOptional : isUnchanged) continue
    run.stepsLeft -= rule.steps(run.elements)
    if (run.stepsLeft < 0) {
      const detail = 'validation failed due to running out of cost budget, no further validation rules will be run'
      return void run.errors.push(invalidValue(field, schema.type, detail))
    }
    const context = { self, oldSelf: isOptional ? Optional.of(oldSelf) : oldSelf }
    const error = problemOf(rule, context, { field, value, type: schema.type ?? '' })
    if (error !== undefined) run.errors.push(error)
  }
}

interface Place {
  readonly field: string
  readonly value: unknown
  readonly type: string
}

function problemOf(rule: CompiledRule, context: JsonObject, { field, value, type }: Place): FieldError | undefined {
  const { source } = rule
  const text = (source.message?.trim() || source.rule).trim()
  try {
    if (rule.holds(context) === true) return undefined
  } catch (error) {
    return invalidValue(field, type, `${firstLine(error)} evaluating rule: ${text}`)
  }
  const detail = messageOf(rule, context) ?? (source.message ? text : `failed rule: ${text}`)
  const at = source.fieldPath ? `${field === '<nil>' ? '' : field}${source.fieldPath}`.replace(/^\./, '') : field
  return ruleError(source.reason, at, typeof value === 'object' ? undefined : value, detail)
}

function messageOf({ message }: CompiledRule, context: JsonObject): string | undefined {
  try {
    const text = message?.(context)
    const trimmed = typeof text === 'string' ? text.trim() : ''
    return trimmed === '' || trimmed.includes('\n') ? undefined : trimmed
  } catch {
    return undefined
  }
}

// Objects and lists are not repeated in messages.
function ruleError(reason: string | undefined, field: string, value: unknown, detail: string): FieldError {
  switch (reason) {
    case 'FieldValueForbidden':
      return forbiddenField(field, detail)
    case 'FieldValueRequired':
      return required(field, detail)
    case 'FieldValueDuplicate':
      return { type: 'FieldValueDuplicate', field, message: `Duplicate value: ${JSON.stringify(value ?? '')}` }
    default:
      return value === undefined
        ? { type: 'FieldValueInvalid', field, message: `Invalid value: ${detail}` }
        : invalidValue(field, value, detail)
  }
}
