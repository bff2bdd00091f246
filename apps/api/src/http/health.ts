import type { Exchange } from './exchange.ts'

/** One thing that must hold for the process to be healthy. Rejects when it does not. */
export interface HealthCheck {
  readonly name: string
  check(): Promise<void>
}

/** Answers /healthz, /livez and /readyz and the checks below them, in kube-apiserver's form. */
export async function answerHealth(
  exchange: Exchange,
  endpoint: string,
  checks: readonly HealthCheck[],
  wanted: string,
): Promise<void> {
  const chosen = wanted === '' ? checks : checks.filter((check) => check.name === wanted)
  if (chosen.length === 0) return await exchange.send(404, '404 page not found\n', 'text/plain; charset=utf-8')
  const lines: string[] = []
  let healthy = true
  for (const { name, check } of chosen) {
    try {
      await check()
      lines.push(`[+]${name} ok`)
    } catch (error) {
      healthy = false
      lines.push(`[-]${name} failed: ${(error as Error).message}`)
    }
  }
  const verbose = exchange.url.searchParams.has('verbose')
  const body = healthy && !verbose ? 'ok' : `${lines.join('\n')}\n${endpoint} check ${healthy ? 'passed' : 'failed'}\n`
  await exchange.send(healthy ? 200 : 500, body, 'text/plain; charset=utf-8', { 'x-content-type-options': 'nosniff' })
}
