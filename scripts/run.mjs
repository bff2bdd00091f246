// The way in for every npm script: prepares the checkout, then runs the target on the pinned Node.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { buildDashboard, environment, generateSources, installDependencies, pinnedNode, root } from './prepare.mjs'

const [target, ...args] = process.argv.slice(2)

const targets = {
  start: {
    dashboard: !args.includes('--no-dashboard') && !args.includes('--help'),
    command: ['apps/binnacle/src/main.ts', 'start'],
  },
  stop: { command: ['apps/binnacle/src/main.ts', 'stop'] },
  dev: { command: ['apps/binnacle/src/main.ts', 'start', '--dev'] },
  test: { dashboard: true, command: ['scripts/test.mjs'] },
  check: { command: ['scripts/check.mjs'] },
  bench: { command: ['bench/main.ts'] },
  generate: { command: ['test/repo/write-compatibility-page.ts'] },
}

const chosen = targets[target ?? '']
if (chosen === undefined) {
  process.stderr.write(`usage: node scripts/run.mjs ${Object.keys(targets).join('|')} [options]\n`)
  process.exit(2)
}

installDependencies()
generateSources()
if (chosen.dashboard) buildDashboard()
if (chosen.command !== undefined) runOnPinnedNode([...chosen.command, ...args])

function runOnPinnedNode(argv) {
  const child = spawn(pinnedNode, argv, { cwd: root, env: environment, stdio: 'inherit' })
  // Ctrl-C reaches the child too; this process only waits for its clean end, and passes on signals that were meant for both.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 15)))
}
