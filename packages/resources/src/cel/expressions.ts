import type { ASTNode } from '@marcbachmann/cel-js'

/** What the adapters of CEL need to know of parsed expressions. */

/** The nodes right below one, in the order of the source. */
export function childrenOf({ args }: ASTNode): ASTNode[] {
  const found: ASTNode[] = []
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) for (const element of value) collect(element)
    else if (typeof value === 'object' && value !== null && 'op' in value) found.push(value as ASTNode)
  }
  collect(args)
  return found.sort((a, b) => a.start - b.start)
}

/** A node and all below it. */
export function* everyNode(node: ASTNode): Generator<ASTNode> {
  yield node
  for (const child of childrenOf(node)) yield* everyNode(child)
}

const loops = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

/**
 * About how many steps an evaluation takes at most: everything once, and what is in a loop once for each element. A list has as many elements as its
 * expression shows, or else as many as are given.
 */
export function stepsOf(node: ASTNode, elements: number): number {
  const below = childrenOf(node).reduce((sum, child) => sum + stepsOf(child, elements), 1)
  if (node.op !== 'rcall' || !loops.has(node.args[0])) return below
  const [, over] = node.args
  return below * (over.op === 'list' ? Math.max(1, over.args.length) : elements)
}

type Rewrite = (node: ASTNode, inner: (node: ASTNode) => string) => string | undefined

/**
 * The source of a whole expression with parts of it in other words: `rewrite` gives those of a node, or undefined where it stays as it is but for what
 * is below. Parentheses are no part of what they enclose, so what stands around the outermost node stays.
 */
export function rewritten(ast: ASTNode, source: string, rewrite: Rewrite): string {
  return source.slice(0, ast.start) + rewrittenPart(ast, source, rewrite) + source.slice(ast.end)
}

function rewrittenPart(node: ASTNode, source: string, rewrite: Rewrite): string {
  const inner = (part: ASTNode): string => rewrittenPart(part, source, rewrite)
  const own = rewrite(node, inner)
  if (own !== undefined) return own
  let text = ''
  let at = node.start
  for (const child of childrenOf(node)) {
    text += source.slice(at, child.start) + inner(child)
    at = child.end
  }
  return text + source.slice(at, node.end)
}

/** `has()` of anything but a plain path, which the library does not know, as an optional selection. */
export function optionalHas(node: ASTNode, inner: (node: ASTNode) => string): string | undefined {
  if (node.op !== 'call' || node.args[0] !== 'has') return undefined
  const [tested] = node.args[1]
  return tested?.op === '.' ? `((${inner(tested.args[0])}).?${tested.args[1]}.hasValue())` : undefined
}

/** True for `a.b.c`. */
export function isPlainPath(node: ASTNode): boolean {
  return node.op === 'id' || (node.op === '.' && isPlainPath(node.args[0]))
}

/** What an error of the library says, without the place that it points at. */
export const firstLine = (error: unknown): string => ((error as Error).message.split('\n')[0] as string).trim()
