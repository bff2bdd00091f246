import { isConflict, isNotFound, jsonEqual, type ObjectKey } from '@binnacle/apimachinery'
import { type CustomResourceDefinition, customResourceDefinitions } from '@binnacle/resources'
import { type Controller, done, type ReconcileContext, type Result } from '../../controller.ts'
import { isSettled, planStatus } from './plan.ts'

/**
 * Gives definitions their names, and establishes those that have all they want: from then on every API server serves the kind. One at a time, and by
 * what the server says now: two that want the same name must not both get it.
 */
export const customResourceDefinitionController: Controller = {
  name: 'customresourcedefinition',
  reconciles: customResourceDefinitions,
  // A name that is given up, or one that goes with its definition, may be what another waits for.
  watches: [{ resource: customResourceDefinitions, keysOf: waitingIn }],
  concurrency: 1,
  reconcile,
}

function waitingIn(changed: CustomResourceDefinition, context: ReconcileContext): ObjectKey[] {
  return [...context.informer(customResourceDefinitions).all()]
    .filter((crd) => crd.spec.group === changed.spec.group && !isSettled(crd))
    .map(({ metadata }) => ({ namespace: '', name: metadata.name }))
}

async function reconcile(key: ObjectKey, context: ReconcileContext): Promise<Result> {
  // Observe.
  const seen = context.informer(customResourceDefinitions).get(key)
  if (seen === undefined || isSettled(seen)) return done
  const { items } = await context.client.list(customResourceDefinitions)
  const crd = items.find(({ metadata }) => metadata.name === key.name)
  if (crd === undefined) return done
  const others = items.filter((other) => other !== crd && other.spec.group === crd.spec.group)

  // Decide.
  const status = planStatus(crd, others, context.nowMs())

  // Report.
  if (jsonEqual(status, crd.status)) return done
  await context.client.updateStatus(customResourceDefinitions, { ...crd, status }).catch((error: unknown) => {
    // Changed or gone meanwhile: its next event calls again.
    if (!isNotFound(error) && !isConflict(error)) throw error
  })
  return done
}
