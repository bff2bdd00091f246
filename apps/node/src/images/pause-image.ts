import { imageArchive } from './image-archive.ts'

/** What a sandbox's own container is made of. */
export const pauseImage = 'binnacle.dev/pause:1'

/** The archive of {@link pauseImage}, or of the same under another name, for this machine. @throws Error on processors that no program is written for. */
export function pauseImageArchive(reference = pauseImage): Buffer {
  return imageArchive({
    reference,
    files: [{ path: 'pause', mode: 0o755, content: { data: pauseProgram(process.arch) } }],
    config: { Entrypoint: ['/pause'] },
  })
}

/** Where the file is loaded, and where the program begins in it. */
const baseAddress = 0x400000
const codeOffset = 120

/**
 * The program of a sandbox's first process, a static ELF file of some 200 bytes. It ignores SIGCHLD, so that the kernel reaps orphans that it inherits
 * in a shared process namespace, blocks SIGTERM and SIGINT (blocked, they reach even the first process of a namespace), waits for one of them,
 * and exits with 0.
 */
export function pauseProgram(processor: string): Buffer {
  const program = { x64: { machine: 62, code: codeX64 }, arm64: { machine: 183, code: codeArm64 } }[processor]
  if (program === undefined) throw new Error(`there is no pause program for the processor ${processor}`)
  const codeBytes = program.code(0, 0).length
  // A kernel's `struct sigaction` whose handler is SIG_IGN, and a set of the signals 2 and 15.
  const action = Buffer.alloc(32)
  action.writeUInt8(1)
  const signals = Buffer.alloc(8)
  signals.writeUInt32LE((1 << 1) | (1 << 14))
  const actionOffset = codeBytes
  const body = Buffer.concat([program.code(actionOffset, actionOffset + action.length), action, signals])
  return Buffer.concat([elfHeaders(program.machine, codeOffset + body.length), body])
}

function elfHeaders(machine: number, fileBytes: number): Buffer {
  const header = Buffer.alloc(codeOffset)
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  header.writeUInt16LE(2, 16)
  header.writeUInt16LE(machine, 18)
  header.writeUInt32LE(1, 20)
  header.writeBigUInt64LE(BigInt(baseAddress + codeOffset), 24)
  header.writeBigUInt64LE(64n, 32)
  header.writeUInt16LE(64, 52)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(1, 56)
  // One segment to load: all of the file, readable and executable.
  header.writeUInt32LE(1, 64)
  header.writeUInt32LE(5, 68)
  header.writeBigUInt64LE(BigInt(baseAddress), 80)
  header.writeBigUInt64LE(BigInt(baseAddress), 88)
  header.writeBigUInt64LE(BigInt(fileBytes), 96)
  header.writeBigUInt64LE(BigInt(fileBytes), 104)
  header.writeBigUInt64LE(0x10000n, 112)
  return header
}

// Offsets are from the beginning of the code.
function codeX64(action: number, signals: number): Buffer {
  const address = (offset: number): number[] => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(baseAddress + codeOffset + offset)
    return [...bytes]
  }
  const syscall = [0x0f, 0x05]
  const wait = [
    ...[0xb8, 128, 0, 0, 0], // mov eax, rt_sigtimedwait
    ...[0xbf, ...address(signals)], // mov edi, signals
    ...[0x31, 0xf6, 0x31, 0xd2], // xor esi, esi; xor edx, edx
    ...syscall,
    ...[0x85, 0xc0], // test eax, eax
  ]
  return Buffer.from([
    ...[0xb8, 13, 0, 0, 0], // mov eax, rt_sigaction
    ...[0xbf, 17, 0, 0, 0], // mov edi, SIGCHLD
    ...[0xbe, ...address(action)], // mov esi, action
    ...[0x31, 0xd2], // xor edx, edx
    ...[0x41, 0xba, 8, 0, 0, 0], // mov r10d, 8
    ...syscall,
    ...[0xb8, 14, 0, 0, 0], // mov eax, rt_sigprocmask
    ...[0x31, 0xff], // xor edi, edi (SIG_BLOCK)
    ...[0xbe, ...address(signals)], // mov esi, signals
    ...syscall,
    ...wait,
    ...[0x78, 0x100 - (wait.length + 2)], // js wait
    ...[0xb8, 60, 0, 0, 0, 0x31, 0xff], // mov eax, exit; xor edi, edi
    ...syscall,
  ])
}

function codeArm64(action: number, signals: number): Buffer {
  const words: number[] = []
  const move = (register: number, value: number): void => void words.push(0xd2800000 + value * 32 + register)
  const addressOf = (register: number, offset: number): void => {
    const distance = offset - words.length * 4
    words.push(0x10000000 + (distance & 3) * 2 ** 29 + ((distance >> 2) & 0x7ffff) * 32 + register)
  }
  const syscall = (number: number): void => {
    move(8, number)
    words.push(0xd4000001)
  }
  move(0, 17)
  addressOf(1, action)
  move(2, 0)
  move(3, 8)
  syscall(134)
  move(0, 0)
  addressOf(1, signals)
  syscall(135)
  const wait = words.length
  addressOf(0, signals)
  move(1, 0)
  move(2, 0)
  syscall(137)
  // tbnz w0, #31, wait
  words.push(0x37000000 + 31 * 2 ** 19 + ((wait - words.length) & 0x3fff) * 32)
  move(0, 0)
  syscall(93)
  const code = Buffer.alloc(words.length * 4)
  for (const [i, word] of words.entries()) code.writeUInt32LE(word >>> 0, i * 4)
  return code
}
