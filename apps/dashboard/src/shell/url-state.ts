import { parseAsArrayOf, parseAsBoolean, parseAsString, useQueryState } from 'nuqs'

/** The whole state of a screen is in its URL: these are its parts. */

/** `ns=a,b`: the chosen namespaces; none: all. */
export const useNamespaces = () => useQueryState('ns', parseAsArrayOf(parseAsString).withDefault([]))
/** `q=text`: rows must contain every word of it. */
export const useFilterText = () => useQueryState('q', parseAsString.withDefault('').withOptions({ throttleMs: 200 }))
/** `l=app=web`: a label selector, applied by the server. */
export const useLabelSelector = () => useQueryState('l', parseAsString.withDefault(''))
/** `sort=Restarts` or `sort=-Restarts`: the sorting column, descending with a minus. */
export const useSort = () => useQueryState('sort', parseAsString.withDefault(''))
/** `wide=true`: the columns of `kubectl get -o wide` too. */
export const useWide = () => useQueryState('wide', parseAsBoolean.withDefault(false))
/** `tab=yaml`: the part of an object that is shown. */
export const useTab = () => useQueryState('tab', parseAsString.withDefault('summary'))
