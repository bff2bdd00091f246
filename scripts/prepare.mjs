// Makes the checkout ready to run: dependencies, generated sources, the dashboard's build. Plain JavaScript, because it runs
// on whatever Node the machine has, before anything is installed. Each step is skipped when its inputs have not changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's root. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** The Node that the project pins. */
export const pinnedNode = path.join(root, 'node_modules', 'node', 'bin', 'node')

/** The environment of everything that is run here: the project's own tools come first on the path. */
export const environment = {
  ...process.env,
  PATH: `${path.join(root, 'node_modules', 'node', 'bin')}${path.delimiter}${path.join(root, 'node_modules', '.bin')}${path.delimiter}${process.env.PATH}`,
  NEXT_TELEMETRY_DISABLED: '1',
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
}

function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (['node_modules', '.next', 'generated', '.turbo'].includes(entry.name)) continue
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(file)
    else if (entry.isFile() && !entry.name.includes('.test.') && entry.name !== 'next-env.d.ts') yield file
  }
}

function digest(inputs) {
  const hash = createHash('sha256')
  for (const input of inputs) {
    const full = path.join(root, input)
    if (!existsSync(full)) continue
    for (const file of statSync(full).isDirectory() ? filesBelow(full) : [full]) {
      hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0')
    }
  }
  return hash.digest('hex')
}

function step({ title, inputs, output, stamp, run }) {
  const stampFile = path.join(root, stamp)
  const wanted = digest(inputs)
  if (existsSync(path.join(root, output)) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return
  process.stderr.write(`${title} …\n`)
  const startedMs = Date.now()
  rmSync(stampFile, { force: true })
  run()
  mkdirSync(path.dirname(stampFile), { recursive: true })
  writeFileSync(stampFile, wanted)
  process.stderr.write(`${title}: done in ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`)
}

function must(command, args, cwd = root) {
  const result = spawnSync(command, args, { cwd, env: environment, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (result.status === 0) return
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}\n`)
  process.stderr.write(
    `binnacle: '${path.basename(command)} ${args.join(' ')}' failed${result.error ? `: ${result.error.message}` : ''}.\n`,
  )
  process.exit(1)
}

/** Installs the dependencies that the lock file names, unless they are there. */
export function installDependencies() {
  step({
    title: 'Installing dependencies',
    inputs: ['package-lock.json', 'package.json'],
    output: 'node_modules/node/bin/node',
    stamp: 'node_modules/.binnacle-installed',
    run: () => must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']),
  })
}

/** Generates the registry of kinds from the published type packages. */
export function generateSources() {
  step({
    title: 'Generating the registry of kinds',
    inputs: ['packages/resources/build', 'packages/resources/src/merge-metadata.ts', 'package-lock.json'],
    output: 'packages/resources/src/generated/types.ts',
    stamp: 'packages/resources/src/generated/.stamp',
    run: () => must(pinnedNode, ['packages/resources/build/generate.ts']),
  })
}

/** Builds the dashboard for production. */
export function buildDashboard() {
  step({
    title: 'Building the dashboard',
    inputs: ['apps/dashboard', 'package-lock.json'],
    output: 'apps/dashboard/.next/BUILD_ID',
    stamp: 'apps/dashboard/.next/.stamp',
    run: () =>
      must(
        pinnedNode,
        [path.join(root, 'node_modules/next/dist/bin/next'), 'build'],
        path.join(root, 'apps/dashboard'),
      ),
  })
}
