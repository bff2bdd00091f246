/** A file, directory or symbolic link of an archive. */
export interface TarEntry {
  /** Relative to the root, without a slash at either end. */
  readonly path: string
  /** Permission bits. */
  readonly mode: number
  readonly content: { readonly data: Buffer } | { readonly linkTo: string } | 'directory'
}

const blockBytes = 512
const types = { file: '0', link: '2', directory: '5' } as const

/**
 * A tar archive in the POSIX format. Everything belongs to root and is of 1970, so that equal entries give equal bytes.
 * @throws RangeError for paths of more than 100 bytes.
 */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    const { content } = entry
    if (content === 'directory') return [header(entry, types.directory, 0, '')]
    if ('linkTo' in content) return [header(entry, types.link, 0, content.linkTo)]
    const padding = Buffer.alloc((blockBytes - (content.data.length % blockBytes)) % blockBytes)
    return [header(entry, types.file, content.data.length, ''), content.data, padding]
  })
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)])
}

function header({ path, mode }: TarEntry, type: string, size: number, linkTo: string): Buffer {
  const block = Buffer.alloc(blockBytes)
  const name = type === types.directory ? `${path}/` : path
  if (Buffer.byteLength(name) > 100 || Buffer.byteLength(linkTo) > 100)
    throw new RangeError(`too long for tar: ${name}`)
  const octal = (value: number, at: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at)
  }
  block.write(name, 0)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write(linkTo, 157)
  block.write('ustar\u000000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
