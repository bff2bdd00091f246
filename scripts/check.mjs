// Everything about the sources that a machine can judge: format, lint, types, import boundaries, unused code.
// Prints one line a check and the output of those that fail; as a module it gives the results to the test run.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { environment, root } from './prepare.mjs'

const checks = [
  ['format', 'oxfmt', ['--check']],
  ['lint', 'oxlint', ['--deny-warnings']],
  ['types', 'tsc', ['-p', '.']],
  ['types of the dashboard', 'tsc', ['-p', 'apps/dashboard']],
  ['import boundaries', 'turbo', ['boundaries', '--no-color', '--no-update-notifier']],
  ['unused files, exports and dependencies', 'knip', ['--no-progress']],
]

/** Runs every check; true for those that passed. */
export function runChecks() {
  return checks.map(([name, command, args]) => {
    const result = spawnSync(command, args, { cwd: root, env: environment, encoding: 'utf8', maxBuffer: 1 << 28 })
    const passed = result.status === 0
    process.stdout.write(`${passed ? '✓' : '✗'} ${name}\n`)
    if (!passed)
      process.stdout.write(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error ? result.error.message : ''}\n`)
    return { name, passed }
  })
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exit(runChecks().every((check) => check.passed) ? 0 : 1)
}
