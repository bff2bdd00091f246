import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  visit,
} from 'graphql'
import { aliasesMax, queryDepthMax, queryObjectsMax, rootFieldsMax } from '../limits.ts'

interface Measure {
  /** Levels of fields. */
  readonly depth: number
  /** Objects that it can lead to: page sizes multiplied along the nesting, summed up. */
  readonly objects: number
  readonly fields: number
}

/**
 * Refuses operations that would cost too much, before they run: nesting, aliases, root fields, and the product of page sizes. Introspection is
 * exempt. The document must be valid.
 * @returns what is wrong; undefined when all is well
 */
export function exceededLimit(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): GraphQLError | undefined {
  const aliases = countAliases(document)
  if (aliases > aliasesMax) return tooMuch(`The document has ${aliases} aliases; ${aliasesMax} are allowed.`)
  const root = schema.getRootType(operation.operation)
  if (root === undefined || root === null) return undefined
  const measured = new QueryMeter(schema, document, { ...defaultsOf(operation), ...variables }).measure(
    operation.selectionSet,
    root.name,
  )
  if (measured.fields > rootFieldsMax)
    return tooMuch(`The operation has ${measured.fields} fields at its root; ${rootFieldsMax} are allowed.`)
  if (measured.depth > queryDepthMax)
    return tooMuch(`The operation nests fields ${measured.depth} deep; ${queryDepthMax} levels are allowed.`)
  if (measured.objects > queryObjectsMax)
    return tooMuch(
      `The operation may ask for ${measured.objects} objects (page sizes multiplied along its nesting); ${queryObjectsMax} are allowed: choose smaller values of first.`,
    )
  return undefined
}

function tooMuch(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'QUERY_TOO_COMPLEX', http: { status: 400 } } })
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue?.kind === Kind.INT ? [[variable.name.value, Number(defaultValue.value)]] : [],
    ),
  )
}

function countAliases(document: DocumentNode): number {
  let aliases = 0
  visit(document, {
    Field(node) {
      if (node.alias !== undefined) aliases++
    },
  })
  return aliases
}

class QueryMeter {
  readonly #schema: GraphQLSchema
  readonly #fragments: Map<string, FragmentDefinitionNode>
  readonly #variables: Readonly<Record<string, unknown>>
  // A fragment is measured once: documents in which fragments spread each other would grow exponentially.
  readonly #measured = new Map<string, Measure>()

  constructor(schema: GraphQLSchema, document: DocumentNode, variables: Readonly<Record<string, unknown>>) {
    this.#schema = schema
    this.#variables = variables
    this.#fragments = new Map(
      document.definitions.flatMap((definition) =>
        definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
      ),
    )
  }

  measure(selectionSet: SelectionSetNode, typeName: string): Measure {
    let [depth, objects, fields] = [0, 0, 0]
    for (const selection of selectionSet.selections) {
      const part =
        selection.kind === Kind.FIELD
          ? this.#field(selection, typeName)
          : selection.kind === Kind.INLINE_FRAGMENT
            ? this.measure(selection.selectionSet, selection.typeCondition?.name.value ?? typeName)
            : this.#fragment(selection.name.value)
      depth = Math.max(depth, part.depth)
      objects += part.objects
      fields += part.fields
    }
    return { depth, objects, fields }
  }

  #fragment(name: string): Measure {
    const known = this.#measured.get(name)
    if (known !== undefined) return known
    const fragment = this.#fragments.get(name) as FragmentDefinitionNode
    const measured = this.measure(fragment.selectionSet, fragment.typeCondition.name.value)
    this.#measured.set(name, measured)
    return measured
  }

  #field(node: FieldNode, typeName: string): Measure {
    if (node.name.value.startsWith('__')) return { depth: 0, objects: 0, fields: 1 }
    const type = this.#schema.getType(typeName)
    const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined
    if (field === undefined || node.selectionSet === undefined) return { depth: 1, objects: 0, fields: 1 }
    const named = getNamedType(field.type)
    if (!isCompositeType(named)) return { depth: 1, objects: 0, fields: 1 }
    const inner = this.measure(node.selectionSet, named.name)
    const size = this.#pageSize(node, field) ?? (this.#isObject(type) && this.#isObject(named) ? 1 : undefined)
    const objects = size === undefined ? inner.objects : size * (1 + inner.objects)
    return { depth: 1 + inner.depth, objects, fields: 1 }
  }

  #pageSize(node: FieldNode, field: GraphQLField<unknown, unknown>): number | undefined {
    const argument = field.args.find(({ name }) => name === 'first')
    if (argument === undefined) return undefined
    const value = node.arguments?.find(({ name }) => name.value === 'first')?.value
    const given =
      value?.kind === Kind.INT
        ? Number(value.value)
        : value?.kind === Kind.VARIABLE
          ? this.#variables[value.name.value]
          : undefined
    const size = Number(given ?? argument.defaultValue ?? 1)
    // What is no page size fails where it is used; here it must not make up for others.
    return size > 0 ? size : 1
  }

  // An edge that leads to one object has no page size: aliases and fragments can multiply it all the same.
  #isObject(type: unknown): boolean {
    if (isInterfaceType(type)) return type.name === 'KubernetesObject'
    return isObjectType(type) && type.getInterfaces().length > 0
  }
}
