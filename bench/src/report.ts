import { type Figure, goalText, isReached, ratioOf } from './figure.ts'
import type { Machine } from './machine.ts'

/** What one benchmark gave. */
export interface BenchmarkResult {
  readonly name: string
  readonly title: string
  readonly figures: readonly Figure[]
  /** Why there are no figures. */
  readonly failure?: string
  readonly seconds: number
  /** The least idle share of the processors just before a round, from 0 to 1; others' work shows here. */
  readonly idleBefore: number
  readonly loadBefore: number
  readonly measuredAt: string
}

/** Everything that a run knows. */
export interface RunReport {
  readonly date: string
  readonly command: string
  readonly commit: string
  readonly machine: Machine
  readonly results: readonly BenchmarkResult[]
}

const headings = ['Figure', 'Ours', 'Peer', 'Ratio', 'Goal', 'Reached']

/** One row for each figure, as text for a terminal. */
export function terminalTable(results: readonly BenchmarkResult[]): string {
  const rows = [headings, ...results.flatMap(({ figures }) => figures.map(cells))]
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The same as a page. */
export function markdownPage(report: RunReport): string {
  const { machine } = report
  return [
    '# Benchmark results',
    '',
    `Written by \`${report.command}\`: change nothing here by hand.`,
    '',
    `Last run ${report.date}, commit ${report.commit}, ${machine.cores} cores (${machine.cpu}), ${machine.memoryGigabytes} GB of memory.`,
    'Every peer was measured in the same run, on the same machine and the same file system; load generators and servers share the cores.',
    'What was measured how stands in [README.md](README.md).',
    '',
    ...report.results.flatMap((result) => section(result)),
  ].join('\n')
}

function section(result: BenchmarkResult): string[] {
  const notes = [...new Set(result.figures.map(({ note }) => note).filter((note) => note !== undefined))]
  return [
    `## ${result.title}`,
    '',
    `\`--only ${result.name}\`, ${result.measuredAt}; before its rounds at least ${Math.round(result.idleBefore * 100)} % of the processors' time was idle, load average ${result.loadBefore.toFixed(1)}.`,
    '',
    ...(result.failure === undefined ? [] : [`It failed: ${result.failure}`, '']),
    ...(result.figures.length === 0
      ? []
      : [
          `| ${headings.join(' | ')} |`,
          '| --- | ---: | ---: | ---: | ---: | --- |',
          ...result.figures.map((figure) => `| ${cells(figure).join(' | ')} |`),
          '',
        ]),
    ...notes.map((note) => `- ${note}`),
    ...(notes.length > 0 ? [''] : []),
  ]
}

function cells(figure: Figure): string[] {
  const ratio = ratioOf(figure)
  const reached = isReached(figure)
  return [
    figure.name,
    withUnit(figure.ours, figure.unit),
    withUnit(figure.peer, figure.unit),
    ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
    goalText(figure),
    reached === undefined ? '' : reached ? 'yes' : 'no',
  ]
}

function withUnit(value: number | undefined, unit: string): string {
  if (value === undefined) return ''
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`
}
