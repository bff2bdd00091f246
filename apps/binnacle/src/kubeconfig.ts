import { readFileSync } from 'node:fs'
import { type DataDirectory, writePrivateFile } from './data-directory.ts'

const base64 = (file: string): string => readFileSync(file).toString('base64')

/** Writes `admin.kubeconfig`: the API's address, the CA, and the admin's client certificate. */
export function writeKubeconfig(directory: DataDirectory, server: string): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'binnacle',
    clusters: [
      { name: 'binnacle', cluster: { server, 'certificate-authority-data': base64(directory.caCertificate) } },
    ],
    contexts: [{ name: 'binnacle', context: { cluster: 'binnacle', user: 'kubernetes-admin', namespace: 'default' } }],
    users: [
      {
        name: 'kubernetes-admin',
        user: {
          'client-certificate-data': base64(directory.pki('admin.crt')),
          'client-key-data': base64(directory.pki('admin.key')),
        },
      },
    ],
  }
  // JSON is YAML, so every reader of kubeconfigs takes it.
  writePrivateFile(directory.kubeconfig, `${JSON.stringify(config, null, 2)}\n`)
}
