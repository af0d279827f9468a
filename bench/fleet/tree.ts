import { join } from 'node:path'
import { keptPort } from '../support/port.ts'
import { type Service, startService } from '../support/service.ts'

/** How many relays one above them may have where tiers are laid out. */
const FAN_OUT = 10

/**
 * How many relays stand in each tier, from the controller down: the lowest has as many as it can, each tier above a
 * tenth of the one below.
 * @throws Error where there are fewer relays than tiers
 */
export function tierSizes(relays: number, tiers: number): number[] {
  if (relays === 0) return []
  if (relays < tiers || tiers < 1) throw new Error(`Cannot put ${relays} relays into ${tiers} tiers: each needs one at least`)
  const above = (lowest: number): number[] => {
    const sizes = [lowest]
    for (let size = lowest; sizes.length < tiers; sizes.unshift(size)) size = Math.ceil(size / FAN_OUT)
    return sizes
  }
  const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0)
  let lowest = relays - tiers + 1
  while (total(above(lowest)) > relays) lowest--
  return above(lowest)
}

/** A controller with its relays, in processes and folders of their own. */
export interface Tree extends AsyncDisposable {
  readonly controller: Service
  readonly controllerUrl: string
  /** What agents follow: the relays of the lowest tier, or the controller where there are none. */
  readonly leafUrls: readonly string[]
  /** Kills the controller and starts it again on its port and folder; resolves when it is ready. */
  restart(): Promise<void>
}

const urlOf = (service: Service, name: string): string => `http://127.0.0.1:${service.port(name)}`

/**
 * Starts a controller and its relays from the bundles.
 * @param folder where each of them gets a folder
 */
export async function startTree(folder: string, options: { readonly relays?: number; readonly tiers?: number } = {}): Promise<Tree> {
  const { relays = 0, tiers = 1 } = options
  await using stack = new AsyncDisposableStack()
  const env = { DATA_DIR: join(folder, 'controller'), CONTROLLER_PORT: String(await keptPort()) }
  let controller = await startService('controller', env)
  stack.defer(() => controller[Symbol.asyncDispose]())
  const controllerUrl = urlOf(controller, 'controller')

  let above: readonly string[] = [controllerUrl]
  for (const [tier, size] of tierSizes(relays, tiers).entries()) {
    const started = await Promise.all(
      Array.from({ length: size }, async (_, index) => {
        const name = `relay-${tier}-${index}`
        const upstream = above[index % above.length] ?? controllerUrl
        const relay = await startService('agent', {
          RELAY: 'true',
          WORKER_URL: 'none',
          DATA_DIR: join(folder, name),
          AGENT_HOSTNAME: name,
          CONTROLLER_URL: upstream,
        })
        stack.use(relay)
        return urlOf(relay, 'agent')
      }),
    )
    above = started
  }

  const kept = stack.move()
  return {
    get controller() {
      return controller
    },
    controllerUrl,
    leafUrls: above,
    restart: async () => {
      await controller.kill()
      await controller[Symbol.asyncDispose]()
      controller = await startService('controller', env)
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
