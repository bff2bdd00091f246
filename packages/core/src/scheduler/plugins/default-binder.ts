import { keyOf } from '@binnacle/apimachinery'
import type { BindPlugin } from '../framework.ts'

/** Binds by the pod's binding subresource, together with other pods. */
export const defaultBinder: BindPlugin = {
  name: 'DefaultBinder',
  bind: ({ pod, nodeName }) => ({ verb: 'bind', pod: keyOf(pod), podUID: pod.metadata.uid ?? '', nodeName }),
}
