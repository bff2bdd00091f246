import { Environment } from '@marcbachmann/cel-js'
import { registerCollectionFunctions } from './collection-functions.ts'
import { firstLine, optionalHas, rewritten, stepsOf } from './expressions.ts'
import { registerKubernetesFunctions } from './kubernetes-functions.ts'
import { registerNetworkFunctions } from './network-functions.ts'

/** Steps that one evaluation may take, as estimated from the expression (`PerCallLimit`). */
const stepsMax = 1_000_000
/** Elements that a list is taken to have where the expression does not show it. */
const elementsAssumed = 64

/** What an expression of an admission policy sees. Values are those of {@link admissionValue}. */
export interface AdmissionVariables {
  readonly object: unknown
  readonly oldObject: unknown
  readonly request: unknown
  readonly params: unknown
  readonly namespaceObject: unknown
  /** The policy's own variables, evaluated when they are asked for. */
  readonly variables: unknown
}

/** A compiled expression of an admission policy. */
export interface AdmissionExpression {
  /** @throws Error when it cannot be evaluated: it names what is not there, for one */
  evaluate(variables: AdmissionVariables): unknown
}

const names = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables'] as const
const environment = new Environment({ enableOptionalTypes: true })
registerKubernetesFunctions(environment)
registerCollectionFunctions(environment)
registerNetworkFunctions(environment)
for (const name of names) environment.registerVariable(name, 'dyn')

/** Compiles an expression that has to give a value of this type (apiserver `admission/plugin/cel/compile.go`). */
export function compileAdmissionExpression(
  expression: string,
  type: 'bool' | 'string' | 'any',
): AdmissionExpression | { readonly error: string } {
  try {
    const { ast } = environment.parse(expression)
    if (stepsOf(ast, elementsAssumed) > stepsMax) return { error: 'too complex, exceeds cost limit' }
    const adapted = rewritten(ast, expression, optionalHas)
    const checked = environment.check(adapted)
    if (!checked.valid) return { error: firstLine(checked.error) }
    const found = String(checked.type)
    if (type !== 'any' && found !== type && found !== 'dyn') return { error: `must evaluate to ${type}` }
    const evaluate = environment.parse(adapted)
    return { evaluate: (variables) => evaluate(variables as never) }
  } catch (error) {
    return { error: firstLine(error) }
  }
}

/** JSON as expressions see it: whole numbers are integers. */
export function admissionValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(admissionValue)
  if (typeof value !== 'object' || value === null) return value ?? null
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, admissionValue(part)]))
}
