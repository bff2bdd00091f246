import { badRequest } from '@binnacle/apimachinery'
import type { Pod } from '@binnacle/resources'

/**
 * The container that a request means: the one it names, or the only one (registry/core/pod `validateContainer`).
 * @throws StatusError BadRequest with the text that kubectl's users know
 */
export function chosenContainer({ metadata, spec }: Pod, named: string): string {
  const names = (containers: readonly { name?: string }[] | undefined): string[] =>
    (containers ?? []).map(({ name = '' }) => name)
  const containers = names(spec?.containers)
  const initContainers = names(spec?.initContainers)
  const ephemeralContainers = names(spec?.ephemeralContainers)
  if (named !== '') {
    if (![...containers, ...initContainers, ...ephemeralContainers].includes(named))
      throw badRequest(`container ${named} is not valid for pod ${metadata.name}`)
    return named
  }
  if (containers.length === 1) return containers[0] as string
  const choices = [
    [', choose one of: ', containers],
    [' or one of the init containers: ', initContainers],
    [' or one of the ephemeral containers: ', ephemeralContainers],
  ] as const
  const text = choices.map(([before, list]) => (list.length === 0 ? '' : `${before}[${list.join(' ')}]`)).join('')
  throw badRequest(`a container name must be specified for pod ${metadata.name}${text}`)
}
