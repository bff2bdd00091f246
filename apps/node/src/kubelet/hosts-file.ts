import { readFileSync } from 'node:fs'
import type { Pod } from './pod.ts'

/** What a container's /etc/hosts says (kubelet `ensureHostsFile`). */
export function hostsFile(pod: Pod, ips: readonly string[], hostname: string, domain: string): string {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => [ip, ...hostnames].join('\t'))
  const added = aliases.length === 0 ? '' : `\n# Entries added by HostAliases.\n${aliases.join('\n')}\n`
  if (pod.spec.hostNetwork === true) {
    return `# Kubernetes-managed hosts file (host network).\n${readFileSync('/etc/hosts', 'utf8')}${added}`
  }
  const names = domain === '' ? hostname : `${hostname}.${domain}\t${hostname}`
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...ips.map((ip) => `${ip}\t${names}`),
  ]
  return `${lines.join('\n')}\n${added}`
}
