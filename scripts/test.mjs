// `npm test`: the checks, then every test; names what was skipped and ends in one line that counts.
// Arguments narrow the run to test files whose path contains them (the checks are then left out).
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runChecks } from './check.mjs'
import { environment, pinnedNode, root } from './prepare.mjs'

const only = process.argv.slice(2)
const checks = only.length === 0 ? runChecks() : []
const folder = mkdtempSync(path.join(tmpdir(), 'binnacle-test-'))
const report = path.join(folder, 'report.json')

const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
const args = [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...only]
const child = spawn(pinnedNode, args, { cwd: root, env: environment, stdio: 'inherit' })
child.on('exit', (code) => process.exit(summarize(code ?? 1)))

function summarize(exitCode) {
  const counts = { passed: checks.filter((check) => check.passed).length, failed: 0, skipped: 0 }
  counts.failed = checks.length - counts.passed
  try {
    const results = JSON.parse(readFileSync(report, 'utf8'))
    for (const file of results.testResults) {
      const where = path.relative(root, file.name)
      // A file that fails outside its tests (a broken import, a hook) has no test that says so.
      if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
        counts.failed++
        process.stdout.write(`failed: ${where}: ${file.message}\n`)
      }
      for (const test of file.assertionResults) {
        if (test.status === 'passed') counts.passed++
        else if (test.status === 'failed') counts.failed++
        else {
          counts.skipped++
          process.stdout.write(`skipped: ${where}: ${test.fullName}\n`)
        }
      }
    }
  } catch (error) {
    process.stdout.write(`no report of the tests: ${error.message}\n`)
    counts.failed++
  }
  rmSync(folder, { recursive: true, force: true })
  if (exitCode !== 0 && counts.failed === 0) {
    process.stdout.write('the test run itself failed; its output above says why\n')
    counts.failed++
  }
  // The count of skipped tests has a line of its own: the last one always reads the same.
  if (counts.skipped > 0) process.stdout.write(`${counts.skipped} skipped, named above\n`)
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`)
  return counts.failed === 0 ? 0 : 1
}
