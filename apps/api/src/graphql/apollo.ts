export interface Graphql {
  handle(a: any, b: any, c: any): Promise<void>
  handleUpgrade(a: any, b: any, c: any, d: any): void
  close(): Promise<void>
}
export async function createGraphql(_o: any): Promise<Graphql> {
  return { async handle() {}, handleUpgrade() {}, async close() {} }
}
