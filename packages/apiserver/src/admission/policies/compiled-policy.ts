import {
  type AdmissionExpression,
  type AdmissionVariables,
  compileAdmissionExpression,
  type ValidatingAdmissionPolicy,
} from '@binnacle/resources'
import type { StoredObject } from '@binnacle/store'

/** Why a policy refuses. */
export interface Decision {
  readonly message: string
  /** Undefined where the policy itself failed. */
  readonly reason?: string | undefined
}

/** A policy whose expressions are compiled. */
export interface CompiledPolicy {
  readonly policy: ValidatingAdmissionPolicy
  /** What it has against the write, with these variables (apiserver `policy/validating/validator.go`). */
  decide(given: Omit<AdmissionVariables, 'variables'>): readonly Decision[]
}

const messageLengthMax = 5 * 1024
const compiledByObject = new WeakMap<StoredObject, CompiledPolicy>()

/** Compiles a stored policy, once for each state of it. */
export function compiledPolicyOf(stored: StoredObject): CompiledPolicy {
  let compiled = compiledByObject.get(stored)
  if (compiled === undefined) compiledByObject.set(stored, (compiled = compile(stored.parse())))
  return compiled
}

function compile(policy: ValidatingAdmissionPolicy): CompiledPolicy {
  const { spec = {} } = policy
  const parsed = (expression: string, type: 'bool' | 'string' | 'any'): AdmissionExpression => {
    const result = compileAdmissionExpression(expression, type)
    // What was stored compiled then: this is a policy of another version of the server.
    return 'error' in result ? { evaluate: () => failed(`compilation error: ${result.error}`) } : result
  }
  const variables = (spec.variables ?? []).map(({ name, expression }) => ({ name, value: parsed(expression, 'any') }))
  const conditions = (spec.matchConditions ?? []).map(({ expression }) => parsed(expression, 'bool'))
  const validations = (spec.validations ?? []).map((validation) => ({
    validation,
    holds: parsed(validation.expression, 'bool'),
    message: validation.messageExpression ? parsed(validation.messageExpression, 'string') : undefined,
  }))
  const onError = (error: unknown): Decision[] =>
    spec.failurePolicy === 'Ignore' ? [] : [{ message: (error as Error).message.split('\n')[0] as string }]
  return {
    policy,
    decide(given) {
      const scope = withVariables(given, variables)
      try {
        if (!meets(conditions, scope)) return []
      } catch (error) {
        return onError(error)
      }
      return validations.flatMap(({ validation, holds, message }) => {
        try {
          if (holds.evaluate(scope) === true) return []
        } catch (error) {
          const why = (error as Error).message.split('\n')[0]
          return onError(new Error(`expression '${validation.expression}' resulted in error: ${why}`))
        }
        const text = messageOf(message, scope) || validation.message?.trim()
        return [
          {
            message: text || `failed expression: ${validation.expression.trim()}`,
            reason: validation.reason ?? 'Invalid',
          },
        ]
      })
    },
  }
}

function failed(why: string): never {
  throw new Error(why)
}

// One that is false settles it, whatever others fail with.
function meets(conditions: readonly AdmissionExpression[], scope: AdmissionVariables): boolean {
  let failure: unknown
  for (const condition of conditions) {
    try {
      if (condition.evaluate(scope) !== true) return false
    } catch (error) {
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return true
}

function withVariables(
  given: Omit<AdmissionVariables, 'variables'>,
  compiled: readonly { readonly name: string; readonly value: AdmissionExpression }[],
): AdmissionVariables {
  const variables = {}
  const scope: AdmissionVariables = { ...given, variables }
  const known = new Map<string, unknown>()
  for (const { name, value } of compiled)
    Object.defineProperty(variables, name, {
      enumerable: true,
      get() {
        if (!known.has(name)) known.set(name, value.evaluate(scope))
        return known.get(name)
      },
    })
  return scope
}

// A message that cannot be told is none.
function messageOf(message: AdmissionExpression | undefined, scope: AdmissionVariables): string {
  try {
    const text = message?.evaluate(scope)
    if (typeof text !== 'string' || text.length > messageLengthMax || text.trim().includes('\n')) return ''
    return text.trim()
  } catch {
    return ''
  }
}
