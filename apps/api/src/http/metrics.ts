/** What the process measures of itself, in the Prometheus text format. */

const latencyBucketsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

interface Series {
  count: number
  sumSeconds: number
  readonly buckets: number[]
}

/** Counts and durations of requests, by what they did and the code they got. */
export class RequestMetrics {
  readonly #series = new Map<string, Series>()
  /** Read when metrics are asked for: name → help and value. */
  readonly #gauges = new Map<string, { help: string; value: () => number }>()

  gauge(name: string, help: string, value: () => number): void {
    this.#gauges.set(name, { help, value })
  }

  observe(label: string, code: number, seconds: number): void {
    const [verb = '', resource = ''] = label.split(' ')
    const key = `verb="${verb}",resource="${resource}",code="${code}"`
    let series = this.#series.get(key)
    if (series === undefined)
      this.#series.set(key, (series = { count: 0, sumSeconds: 0, buckets: latencyBucketsSeconds.map(() => 0) }))
    series.count++
    series.sumSeconds += seconds
    for (let i = latencyBucketsSeconds.length - 1; i >= 0 && seconds <= (latencyBucketsSeconds[i] as number); i--)
      series.buckets[i] = (series.buckets[i] as number) + 1
  }

  text(): string {
    const name = 'apiserver_request_duration_seconds'
    const lines = [
      '# HELP apiserver_request_total Requests by verb, resource and code.',
      '# TYPE apiserver_request_total counter',
    ]
    for (const [key, series] of this.#series) lines.push(`apiserver_request_total{${key}} ${series.count}`)
    lines.push(`# HELP ${name} How long requests took; watches are not in it.`, `# TYPE ${name} histogram`)
    for (const [key, series] of this.#series) {
      for (const [i, bucket] of latencyBucketsSeconds.entries())
        lines.push(`${name}_bucket{${key},le="${bucket}"} ${series.buckets[i]}`)
      lines.push(
        `${name}_bucket{${key},le="+Inf"} ${series.count}`,
        `${name}_sum{${key}} ${series.sumSeconds}`,
        `${name}_count{${key}} ${series.count}`,
      )
    }
    for (const [gauge, { help, value }] of this.#gauges)
      lines.push(`# HELP ${gauge} ${help}`, `# TYPE ${gauge} gauge`, `${gauge} ${value()}`)
    return `${lines.join('\n')}\n`
  }
}
