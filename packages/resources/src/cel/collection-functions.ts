import type { Environment } from '@marcbachmann/cel-js'

/** Declares what Kubernetes has of lists and texts beyond CEL's own (`k8s.io/apiserver/pkg/cel/library` `lists.go`, `regex.go`, and cel-go's `strings`). */
export function registerCollectionFunctions(environment: Environment): void {
  const ordered = ['int', 'double', 'string', 'bool', 'google.protobuf.Duration', 'google.protobuf.Timestamp', 'dyn']
  for (const type of ordered) {
    environment
      .registerFunction(`list<${type}>.isSorted(): bool`, (list: any[]) =>
        list.every((item, i) => i === 0 || orderOf(list[i - 1]) <= orderOf(item)),
      )
      .registerFunction(`list<${type}>.min(): ${type}`, (list: any[]) => extreme(list, 'min', (a, b) => a < b))
      .registerFunction(`list<${type}>.max(): ${type}`, (list: any[]) => extreme(list, 'max', (a, b) => a > b))
  }
  environment
    .registerFunction('list<int>.sum(): int', (list: bigint[]) => list.reduce((sum, item) => sum + item, 0n))
    .registerFunction('list<double>.sum(): double', (list: number[]) => list.reduce((sum, item) => sum + item, 0))
    .registerFunction('list.indexOf(dyn): int', (list: unknown[], item: unknown) => BigInt(list.indexOf(item)))
    .registerFunction('list.lastIndexOf(dyn): int', (list: unknown[], item: unknown) => BigInt(list.lastIndexOf(item)))
    .registerFunction('string.findAll(string): list<string>', (text: string, expression: string) =>
      findAll(text, expression),
    )
    .registerFunction('string.findAll(string, int): list<string>', (text: string, expression: string, limit: bigint) =>
      findAll(text, expression, limit < 0n ? undefined : Number(limit)),
    )
}

// Times and durations compare by their numbers.
const orderOf = (value: any): any => (typeof value === 'object' && value !== null ? value.valueOf() : value)

function extreme(list: any[], name: string, isBetter: (a: any, b: any) => boolean): any {
  if (list.length === 0) throw new RangeError(`${name} called on empty list`)
  return list.reduce((best, item) => (isBetter(orderOf(item), orderOf(best)) ? item : best))
}

function findAll(text: string, expression: string, limit?: number): string[] {
  return [...text.matchAll(new RegExp(expression, 'g'))].map(([found]) => found).slice(0, limit)
}
