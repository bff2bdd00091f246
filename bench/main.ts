import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { Benchmark } from './src/benchmark.ts'
import { Cleanup } from './src/cleanup.ts'
import { dnsQueries } from './src/dns.ts'
import { convergence } from './src/convergence.ts'
import { commitFanOut, commitToSubscriber } from './src/latency.ts'
import { listOfPods } from './src/list.ts'
import { loadNow, machine, waitUntilQuiet } from './src/machine.ts'
import { memoryOfPods } from './src/memory.ts'
import { podStart } from './src/pod-start.ts'
import { proxyTables } from './src/proxy.ts'
import { type BenchmarkResult, markdownPage, type RunReport, terminalTable } from './src/report.ts'
import { restCreate } from './src/rest-create.ts'
import { rollout } from './src/rollout.ts'
import { scheduling } from './src/scheduler.ts'
import { standing } from './src/standing.ts'
import { streaming } from './src/streaming.ts'
import { storeAgainstEtcd, storeOnSlowDisk } from './src/store.ts'

/** `npm run bench`: measures every figure that the project claims, each peer in the same run. */

const benchmarks: readonly Benchmark[] = [
  storeAgainstEtcd,
  storeOnSlowDisk,
  restCreate,
  commitToSubscriber,
  commitFanOut,
  listOfPods,
  rollout,
  convergence,
  standing,
  memoryOfPods,
  scheduling,
  proxyTables,
  dnsQueries,
  streaming,
  podStart,
]
/** How long a benchmark waits for a quiet machine, all its rounds together. */
const quietMsMax = 30_000
const folder = import.meta.dirname
const jsonFile = path.join(folder, 'results', 'latest.json')

const { only, quick } = parseFlags()
const wanted = only === undefined ? benchmarks : benchmarks.filter(({ name }) => only.includes(name))
const unknown = only?.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name)) ?? []
if (unknown.length > 0) {
  process.stderr.write(
    `There is no benchmark '${unknown.join(', ')}': ${benchmarks.map(({ name }) => name).join(', ')}.\n`,
  )
  process.exit(2)
}

let current: Cleanup | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void (current?.run() ?? Promise.resolve()).then(() => process.exit(130)))

const results: BenchmarkResult[] = []
for (const benchmark of wanted) results.push(await measure(benchmark))
if (!quick) write(results)
process.stdout.write(`${terminalTable(results)}\n`)
process.exit(results.some(({ failure }) => failure !== undefined) ? 1 : 0)

function parseFlags(): { only: string[] | undefined; quick: boolean } {
  const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean', default: false } } })
  return { only: values.only?.split(','), quick: values.quick }
}

async function measure(benchmark: Benchmark): Promise<BenchmarkResult> {
  const cleanup = new Cleanup()
  current = cleanup
  const startedMs = Date.now()
  let idleBefore = 1
  const loadBefore = loadNow()
  const log = (text: string): void => void process.stderr.write(`${benchmark.name}: ${text}\n`)
  let quietMsLeft = quick ? 0 : quietMsMax
  const quiet = async (): Promise<void> => {
    const sinceMs = Date.now()
    idleBefore = Math.min(idleBefore, await waitUntilQuiet(quietMsLeft))
    quietMsLeft = Math.max(0, quietMsLeft - (Date.now() - sinceMs))
  }
  log(benchmark.title)
  let figures: BenchmarkResult['figures'] = []
  let failure: string | undefined
  try {
    figures = await benchmark.run({ quick, cleanup, log, quiet })
  } catch (error) {
    failure = (error as Error).message
    process.stderr.write(`${(error as Error).stack}\n`)
  }
  for (const error of await cleanup.run())
    process.stderr.write(`${benchmark.name}: while cleaning up: ${error.message}\n`)
  return {
    name: benchmark.name,
    title: benchmark.title,
    figures,
    ...(failure === undefined ? {} : { failure }),
    seconds: (Date.now() - startedMs) / 1000,
    idleBefore,
    loadBefore,
    measuredAt: new Date().toISOString(),
  }
}

// Benchmarks that this run left out keep what an earlier one found.
function write(fresh: readonly BenchmarkResult[]): void {
  const earlier = existsSync(jsonFile) ? (JSON.parse(readFileSync(jsonFile, 'utf8')) as RunReport).results : []
  const kept = benchmarks
    .map(({ name }) => [...fresh, ...earlier].find((result) => result.name === name))
    .filter((result) => result !== undefined)
  const report: RunReport = {
    date: new Date().toISOString(),
    command: 'npm run bench',
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: folder, encoding: 'utf8' }).stdout.trim(),
    machine: machine(),
    results: kept,
  }
  mkdirSync(path.dirname(jsonFile), { recursive: true })
  writeFileSync(jsonFile, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(path.join(folder, 'RESULTS.md'), markdownPage(report))
}
