import { spawn } from 'node:child_process'

/** Runs a command of the machine to its end and gives its standard output. Tests run theirs inside a network namespace. */
export type RunCommand = (command: string, args: readonly string[], input?: string) => Promise<string>

/** A command that ended with an error. */
export class CommandError extends Error {
  readonly exitCode: number
  readonly stderr: string
  constructor(command: string, exitCode: number, stderr: string) {
    super(`${command} ended with ${exitCode}: ${stderr.trim().slice(0, 2000)}`)
    this.exitCode = exitCode
    this.stderr = stderr
  }
}

/** No command of the agent takes longer than this; one that hangs is killed. */
const commandMsMax = 60_000

/**
 * Runs commands in the network that this process is in.
 * @param prefix put before each command, as `nsenter --net=/run/netns/a`.
 */
export function commandsIn(prefix: readonly string[] = []): RunCommand {
  return (command, args, input = '') => {
    const [file = '', ...rest] = [...prefix, command, ...args]
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const child = spawn(file, rest, { stdio: 'pipe', timeout: commandMsMax })
    const output: Buffer[] = []
    const errors: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(output).toString())
      else reject(new CommandError(command, code ?? 1, Buffer.concat(errors).toString()))
    })
    // The command may end before it has read everything; its exit code says so.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    return promise
  }
}
