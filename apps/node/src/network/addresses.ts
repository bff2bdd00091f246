import { isIPv6 } from 'node:net'

/** An address family by its name in nftables. */
export type Family = 'ip' | 'ip6'

/** Both families, in the order in which tables are written. */
export const families: readonly Family[] = ['ip', 'ip6']

/** The family of an address or of a range such as `10.0.0.0/8`. */
export function familyOf(address: string): Family {
  return isIPv6(address.split('/')[0] ?? '') ? 'ip6' : 'ip'
}

/** Those of a family; order is kept. */
export function ofFamily(addresses: readonly string[], family: Family): string[] {
  return addresses.filter((address) => address !== '' && familyOf(address) === family)
}
