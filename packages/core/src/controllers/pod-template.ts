import { controllerReference, type KubernetesObject } from '@binnacle/apimachinery'
import type { Pod, PodTemplateSpec } from '@binnacle/resources'

/** A pod from a template, owned by its controller. The name is generated: `owner-` and a suffix. */
export function podFromTemplate(owner: KubernetesObject, template: PodTemplateSpec | undefined): Pod {
  const { labels, annotations, finalizers } = template?.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: '',
      generateName: `${owner.metadata.name.slice(0, 57)}-`,
      namespace: owner.metadata.namespace ?? '',
      ownerReferences: [controllerReference(owner)],
      ...(labels === undefined ? {} : { labels: { ...labels } }),
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      ...(finalizers === undefined ? {} : { finalizers: [...finalizers] }),
    },
    ...(template?.spec === undefined ? {} : { spec: template.spec }),
  }
}
