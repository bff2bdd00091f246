import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** What is kept of a message (kubelet `MaxContainerTerminationMessageLength`). */
const messageBytesMax = 4096
/** What is kept of a log in its place (`MaxContainerTerminationMessageLogLength`, `…LogLines`). */
const logBytesMax = 2048
const logLinesMax = 80

/** What a container left to say at its end: its file, or when that is empty the end of its log, where a log is given. */
export function readTerminationMessage(file: string | undefined, log: string | undefined): string {
  const message = file === undefined ? '' : readPart(file, messageBytesMax, 'first').toString('utf8')
  if (message !== '' || log === undefined) return message
  const lines = readPart(log, 4 * logBytesMax, 'last')
    .toString('utf8')
    .split('\n')
  const text = lines
    .slice(-logLinesMax - 1)
    .map(textOfLine)
    .join('')
  return Buffer.from(text).subarray(-logBytesMax).toString('utf8')
}

// `2026-01-01T00:00:00.000000000Z stdout F text`; P instead of F: the line goes on.
function textOfLine(line: string): string {
  const match = /^\S+ (?:stdout|stderr) ([FP])(?::\S*)? (.*)$/s.exec(line)
  return match === null ? '' : `${match[2]}${match[1] === 'F' ? '\n' : ''}`
}

function readPart(file: string, bytesMax: number, which: 'first' | 'last'): Buffer {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, 'r')
    const { size } = fstatSync(descriptor)
    const bytes = Buffer.alloc(Math.min(size, bytesMax))
    const count = readSync(descriptor, bytes, 0, bytes.length, which === 'first' ? 0 : size - bytes.length)
    return bytes.subarray(0, count)
  } catch {
    // It is not there, which says nothing.
    return Buffer.alloc(0)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
