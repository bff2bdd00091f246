import { parseAsArrayOf, parseAsBoolean, parseAsString, parseAsStringLiteral, useQueryState } from 'nuqs'

/** The parts of an object's page. */
export const tabs = ['summary', 'related', 'yaml', 'events'] as const

/** One of {@link tabs}. */
export type Tab = (typeof tabs)[number]

// Typing and walking through rows change the state faster than browsers let the address change.
const throttleMs = 200

/** The whole state of a screen is in its URL: these are its parts, and how each is written. */
export const urlParsers = {
  /** `ns=a,b`: the chosen namespaces; none: all. */
  ns: parseAsArrayOf(parseAsString).withDefault([]),
  /** `q=text`: what the rows must contain, see `filterFor`. */
  q: parseAsString.withDefault('').withOptions({ throttleMs }),
  /** `l=app=web`: a label selector, applied by the server. */
  l: parseAsString.withDefault(''),
  /** `sort=Restarts` or `sort=-Restarts`: the sorting column, descending with a minus. */
  sort: parseAsString.withDefault(''),
  /** `wide=true`: the columns of `kubectl get -o wide` too. */
  wide: parseAsBoolean.withDefault(false),
  /** `sel=uid`: the selected row. */
  sel: parseAsString.withDefault('').withOptions({ throttleMs }),
  /** `tab=yaml`: the part of an object that is shown. */
  tab: parseAsStringLiteral(tabs).withDefault('summary'),
}

/** The namespaces shown; none: all. */
export const useNamespaces = () => useQueryState('ns', urlParsers.ns)
/** The text that the rows are filtered by. */
export const useFilterText = () => useQueryState('q', urlParsers.q)
/** The label selector that the server filters by. */
export const useLabelSelector = () => useQueryState('l', urlParsers.l)
/** The column that the rows are ordered by, and the direction. */
export const useSort = () => useQueryState('sort', urlParsers.sort)
/** Whether the columns of kubectl's `-o wide` are shown. */
export const useWide = () => useQueryState('wide', urlParsers.wide)
/** The uid of the selected row; empty: none. */
export const useSelected = () => useQueryState('sel', urlParsers.sel)
/** The tab of an object that is open. */
export const useTab = () => useQueryState('tab', urlParsers.tab)

/** The query to carry from a table to one of its objects and back: its filters, and which row it was. */
export function tableQuery(search: string, selectedUid = ''): string {
  const parameters = new URLSearchParams(search)
  parameters.delete('tab')
  if (selectedUid !== '') parameters.set('sel', selectedUid)
  return parameters.size === 0 ? '' : `?${parameters}`
}

/** The query to carry to any other page: the namespaces. */
export function namespaceQuery(search: string): string {
  const namespaces = new URLSearchParams(search).get('ns')
  return namespaces === null ? '' : `?ns=${encodeURIComponent(namespaces)}`
}
