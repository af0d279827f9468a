import { operationalRoutes } from '#lib/http/operational.ts'
import type { ControllerDeps } from '../deps.ts'

/** `/health` and `/ready` of the controller: ready means that its database takes a write. */
export const operatingRoutes = ({ health }: Pick<ControllerDeps, 'health'>) => operationalRoutes(health)
