import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { ExtenderConfiguration, ExtenderTls } from './extender-configuration.ts'

/** An answer may be as long as this. */
const answerBytesMax = 64 * 1024 * 1024

interface Answer {
  readonly status: number
  readonly body: string
}

/** Posts questions to one extender, over connections that stay open. Problems are told as kube-scheduler's HTTP client tells them. */
export class ExtenderConnection {
  readonly #urlPrefix: string
  readonly #timeoutMs: number
  readonly #plain = new http.Agent({ keepAlive: true })
  readonly #secure: https.Agent

  /** @throws Error when what is to secure the connection cannot be used */
  constructor(configuration: ExtenderConfiguration) {
    this.#urlPrefix = configuration.urlPrefix
    this.#timeoutMs = configuration.httpTimeoutMs
    this.#secure = new https.Agent({ keepAlive: true, ...tlsOptions(configuration) })
  }

  /**
   * Asks and gives the parsed answer.
   * @throws Error when there is none within the timeout, when it has another status than 200 or is no JSON; the signal's reason when that ends it
   */
  async post(verb: string, question: unknown, signal: AbortSignal): Promise<unknown> {
    const url = `${this.#urlPrefix.replace(/\/+$/, '')}/${verb}`
    const { status, body } = await this.#exchange(url, JSON.stringify(question), signal)
    if (status !== 200) throw new Error(`failed ${verb} with extender at URL ${url}, code ${status}`)
    if (body.trim() === '') throw new Error('EOF')
    return JSON.parse(body) as unknown
  }

  /** Closes the connections that are idle. */
  close(): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }

  async #exchange(url: string, body: string, signal: AbortSignal): Promise<Answer> {
    const inTime = AbortSignal.timeout(this.#timeoutMs)
    const either = AbortSignal.any([signal, inTime])
    try {
      return await this.#send(url, body, either)
    } catch (error) {
      signal.throwIfAborted()
      const cause = inTime.aborted
        ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        : textOf(error as NodeJS.ErrnoException)
      throw new Error(`Post "${url}": ${cause}`, { cause: error })
    }
  }

  #send(url: string, body: string, signal: AbortSignal, isRepeated = false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { protocol } = new URL(url)
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const options = { method: 'POST', headers, signal }
      const request =
        protocol === 'https:'
          ? https.request(url, { ...options, agent: this.#secure })
          : http.request(url, { ...options, agent: this.#plain })
      request.on('response', (response) => void readAnswer(response).then(resolve, reject))
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The extender has closed an idle connection just then.
        const isStale = request.reusedSocket && error.code === 'ECONNRESET' && !isRepeated
        if (isStale) this.#send(url, body, signal, true).then(resolve, reject)
        else reject(error)
      })
      request.end(body)
    })
  }
}

async function readAnswer(response: http.IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > answerBytesMax) throw new Error(`the answer is longer than ${answerBytesMax} bytes`)
    chunks.push(chunk)
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }
}

const distrusted: readonly string[] = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]

/** As Go's HTTP client words it. */
function textOf(error: NodeJS.ErrnoException & { address?: string; port?: number; hostname?: string }): string {
  const { code = '', address = '', port = 0, hostname = '' } = error
  if (code === 'ECONNREFUSED') return `dial tcp ${address}:${port}: connect: connection refused`
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${hostname}: no such host`
  if (code === 'ECONNRESET') return 'EOF'
  if (code === 'ERR_INVALID_PROTOCOL') return 'unsupported protocol scheme'
  if (distrusted.includes(code))
    return 'tls: failed to verify certificate: x509: certificate signed by unknown authority'
  return error.message
}

/** As client-go makes them (`rest.TLSConfigFor`), but that an extender over HTTPS without an authority is not checked. */
function tlsOptions({ tls, enableHttps }: ExtenderConfiguration): https.AgentOptions {
  const { ca, cert, key } = tls === undefined ? noTexts : textsOf(tls)
  const isUnchecked = tls?.insecure === true || (enableHttps && ca === '')
  if (tls?.insecure === true && ca !== '')
    throw new Error('specifying a root certificates file with the insecure flag is not allowed')
  if ((cert === '') !== (key === '')) throw new Error('both a certificate and its key are needed')
  return {
    rejectUnauthorized: !isUnchecked,
    ...(ca === '' ? {} : { ca }),
    ...(cert === '' ? {} : { cert, key }),
    ...(tls === undefined || tls.serverName === '' ? {} : { servername: tls.serverName }),
  }
}

const noTexts = { ca: '', cert: '', key: '' }

function textsOf(tls: ExtenderTls): typeof noTexts {
  const text = (data: string, file: string): string => (data === '' && file !== '' ? readFileSync(file, 'utf8') : data)
  return {
    ca: text(tls.caData, tls.caFile),
    cert: text(tls.certData, tls.certFile),
    key: text(tls.keyData, tls.keyFile),
  }
}
