import { createHash } from 'node:crypto'
import { tarOf, type TarEntry } from './tar.ts'

/** What an image says of the containers that are made of it; the `config` of an image's configuration. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Env?: readonly string[]
  readonly User?: string
  readonly WorkingDir?: string
}

/** An image of one layer. */
export interface ImageContents {
  /** With registry and tag: `binnacle.dev/pause:1`. */
  readonly reference: string
  readonly files: readonly TarEntry[]
  readonly config: ImageConfig
}

/** Node's names of processors as images spell them. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** This machine's processor as Kubernetes and images spell it. */
export const architecture = architectures[process.arch] ?? process.arch

/** An archive as `docker save` writes it, to be imported without any registry. Equal contents give equal bytes. */
export function imageArchive({ reference, files, config }: ImageContents): Buffer {
  const layer = tarOf(files)
  const configuration = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    }),
  )
  const configName = `${sha256(configuration)}.json`
  const manifest = [{ Config: configName, RepoTags: [reference], Layers: ['layer.tar'] }]
  const file = (path: string, data: Buffer): TarEntry => ({ path, mode: 0o644, content: { data } })
  return tarOf([
    file(configName, configuration),
    file('layer.tar', layer),
    file('manifest.json', Buffer.from(JSON.stringify(manifest))),
  ])
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
