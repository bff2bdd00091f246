import { forbidden, parseTime } from '@binnacle/apimachinery'
import {
  type Ingress,
  type IngressClass,
  ingressClasses,
  priorityClasses,
  type PriorityClass,
} from '@binnacle/resources'
import type { AdmissionStore } from './admission.ts'

const defaultAnnotation = 'ingressclass.kubernetes.io/is-default-class'

/** An Ingress that names no class gets the default one, the newest if there are several (plugin DefaultIngressClass). */
export function applyIngressClass(store: AdmissionStore, ingress: Ingress): void {
  if (ingress.spec?.ingressClassName !== undefined) return
  if (ingress.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined) return
  const defaults = store
    .list({ resource: ingressClasses.storageName })
    .objects.map((stored) => stored.parse() as IngressClass)
    .filter(({ metadata }) => metadata.annotations?.[defaultAnnotation] === 'true')
  const newest = defaults.sort(
    (a, b) =>
      parseTime(b.metadata.creationTimestamp) - parseTime(a.metadata.creationTimestamp) ||
      (a.metadata.name < b.metadata.name ? -1 : 1),
  )[0]
  if (newest !== undefined) ingress.spec = { ...ingress.spec, ingressClassName: newest.metadata.name }
}

/** There is one default PriorityClass at most (plugin Priority). @throws StatusError Forbidden */
export function checkPriorityClass(store: AdmissionStore, { globalDefault, metadata: { name } }: PriorityClass): void {
  if (globalDefault !== true) return
  for (const stored of store.list({ resource: priorityClasses.storageName }).objects) {
    const other = stored.parse() as PriorityClass
    if (other.globalDefault !== true || other.metadata.name === name) continue
    const why = `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`
    throw forbidden(priorityClasses, name, why)
  }
}
