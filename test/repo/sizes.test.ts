import { expect, it } from 'vitest'
import { readText } from './repository.ts'

/** Numbers that documents give for queues and limits are those of the code. A new number has to be changed here, in the document and in the code. */

const limits = 'apps/api/src/limits.ts'
const writer = 'packages/store/src/batch-writer.ts'
const store = 'packages/store/src/postgres-store.ts'
const queue = 'packages/client/src/work-queue.ts'
const bindings = 'packages/core/src/scheduler/batch-writer.ts'
const connection = 'packages/store/src/commit-connection.ts'
const architecture = 'ARCHITECTURE.md'
const graphql = 'docs/graphql.md'
const operating = 'docs/operating.md'
const start = 'apps/binnacle/src/options.ts'
const simulated = 'docs/simulated-nodes.md'
const simulation = 'apps/node/src/simulated/simulation-options.ts'

it.each([
  [architecture, 'body ≤ 3 MiB', limits, 'bodyBytesMax = 3 * 1024 * 1024'],
  [architecture, '≤ 20 deep, ≤ 2,000,000 objects', limits, 'queryDepthMax = 20', 'queryObjectsMax = 2_000_000'],
  [architecture, 'object ≤ 1.5 MiB', 'packages/apiserver/src/write-path.ts', 'objectBytesMax = 1.5 * 1024 * 1024'],
  [architecture, '≤ 128 writes or 4 MiB a batch', writer, 'batchWritesMax = 128', 'batchBytesMax = 4 * 1024 * 1024'],
  [architecture, '2 batches in flight', writer, 'inFlightMax = 2'],
  [architecture, 'RecentChanges: 64 MiB', store, 'recentBytesDefault = 64 * 1024 * 1024'],
  [architecture, 'log kept 1 h', store, 'hourMs = 3_600_000', 'retentionMs ?? hourMs'],
  [architecture, 'heartbeats and events 10 min', store, 'briefRetentionMs = 10 * 60_000'],
  [architecture, '16 MiB each, slower ones are ended', limits, 'watchQueueBytesMax = 16 * 1024 * 1024'],
  [architecture, '16 MiB each, slower ones get LAGGED', limits, 'subscriberBytesMax = 16 * 1024 * 1024'],
  [architecture, 'retry 5 ms … 1,000 s', queue, 'backOffMsMin = 5', 'backOffMsMax = 1_000_000'],
  [architecture, '8 at a time', 'packages/core/src/manager.ts', 'concurrencyDefault = 8'],
  [architecture, '256 bindings a batch', bindings, 'batchWritesMax = 256', 'batchesInFlightMax = 4'],
  [architecture, 'waits at 4,096', bindings, 'writesOutstandingMax = 4096'],
  [graphql, '3 MiB', limits, 'bodyBytesMax = 3 * 1024 * 1024'],
  [graphql, '| tokens of a document | 20,000 |', limits, 'queryTokensMax = 20_000'],
  [graphql, '| nesting of fields | 20 levels |', limits, 'queryDepthMax = 20'],
  [graphql, '| fields at the root of an operation | 100 |', limits, 'rootFieldsMax = 100'],
  [graphql, '| aliases of a document | 500 |', limits, 'aliasesMax = 500'],
  [
    graphql,
    '`first` is 100 unless given, at most 500',
    'apps/api/src/graphql/schema/connection.ts',
    'pageSizeDefault = 100',
    'pageSizeMax = 500',
  ],
  [graphql, 'nothing has changed for a minute', limits, 'bookmarkIntervalMs = 60_000'],
  [operating, 'writes wait 15 s', connection, 'unavailableMsMax = 15_000'],
  [operating, 'every five minutes', store, 'compactionIntervalMs = 5 * 60_000'],
  [operating, 'checked every 20 s', limits, 'socketCheckIntervalMs = 20_000'],
  [
    operating,
    '`--lease-seconds` (15)',
    'apps/workers/src/config.ts',
    "'lease-seconds': { type: 'string', default: '15' }",
  ],
  [operating, '| `--port N` | 6443 |', start, "wholeNumber('port', values.port, 65_535) ?? 6443"],
  [operating, '| `--data-dir DIR` | `.binnacle` |', start, "?? '.binnacle'"],
  [operating, '| `--simulated-nodes N` | 10 |', start, 'simulatedNodesDefault = 10'],
  [operating, '| `--dashboard-port N` | 3000 |', 'apps/binnacle/src/cluster.ts', 'dashboardPortDefault = 3000'],
  [simulated, '| `--simulated N` | 10 |', simulation, 'nodes: 10,'],
  [simulated, '| `--cpu QUANTITY` | 32 |', simulation, "cpu: '32'"],
  [simulated, '| `--memory QUANTITY` | 256Gi |', simulation, "memory: '256Gi'"],
  [simulated, '| `--pods N` | 110 |', simulation, 'podsMax: 110'],
  [simulated, '| `--start-delay-ms TIME` | 200..800 |', simulation, 'startDelay: { fromMs: 200, toMs: 800 }'],
  [simulated, '| `--ready-delay-ms TIME` | 100..400 |', simulation, 'readyDelay: { fromMs: 100, toMs: 400 }'],
  [simulated, '| `--init-run-ms TIME` | 100..300 |', simulation, 'initRun: { fromMs: 100, toMs: 300 }'],
  [simulated, '| `--stop-delay-ms TIME` | 100..500 |', simulation, 'stopDelay: { fromMs: 100, toMs: 500 }'],
  [simulated, '| `--job-run-ms TIME` | 1000..3000 |', simulation, 'jobRun: { fromMs: 1000, toMs: 3000 }'],
  [simulated, '| `--crash-after-ms TIME` | 500..3000 |', simulation, 'crashAfter: { fromMs: 500, toMs: 3000 }'],
  [simulated, '| `--events-per-second N` | 100 |', simulation, 'eventsPerSecondMax: 100'],
])('%s says "%s", as the code does', (document, text, file, ...code) => {
  expect(readText(document)).toContain(text)
  for (const line of code) expect(readText(file)).toContain(line)
})
