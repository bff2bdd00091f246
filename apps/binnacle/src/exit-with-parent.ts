/**
 * Preloaded (`node --import`) into every process that `npm start` starts: when the starter dies, even by SIGKILL, the pipe on
 * descriptor 3 closes, and the process ends itself as on SIGTERM. Nothing is left running, and no process needs to know who started it.
 */
import { Socket } from 'node:net'

const stopMsMax = 10_000

const pipe = new Socket({ fd: 3, readable: true, writable: false })
pipe.on('error', endSelf)
pipe.on('close', endSelf)
pipe.resume()
pipe.unref()

function endSelf(): void {
  process.kill(process.pid, 'SIGTERM')
  setTimeout(() => process.exit(1), stopMsMax).unref()
}
