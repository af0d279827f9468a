import type { RunningService } from '#lib/runtime/lifecycle.ts'
import { runUntilSignal } from '#lib/runtime/lifecycle.ts'

/** What to try, printed once everything is there. */
const banner = (ports: { readonly controller: number; readonly agent: number; readonly worker: number }): string => `
  controller  http://localhost:${ports.controller}   API: http://localhost:${ports.controller}/docs
  agent       http://localhost:${ports.agent}/status
  worker      http://localhost:${ports.worker}   API: http://localhost:${ports.worker}/docs

  Publish a config, and hit its URL:
    curl -s localhost:${ports.controller}/config -H 'X-API-Key: default-api-key' -H 'Content-Type: application/json' \\
      -d '{"data": {"url": "http://localhost:${ports.controller}/health"}, "poll_interval_seconds": 30}'
    curl -s 'localhost:${ports.worker}/hit?wait=10'

`

// Imported only after the Node.js version was checked: native parts crash on an old one.
await runUntilSignal(async (): Promise<RunningService> => {
  const [controllerConfig, controllerStart, workerConfig, workerStart, agentConfig, agentStart] = await Promise.all([
    import('./controller/config.ts'),
    import('./controller/start.ts'),
    import('./worker/config.ts'),
    import('./worker/start.ts'),
    import('./agent/config.ts'),
    import('./agent/start.ts'),
  ])
  // All three are read before any is started: a wrong variable must not leave half of them running.
  const configs = { controller: controllerConfig.loadControllerConfig(), worker: workerConfig.loadWorkerConfig(), agent: agentConfig.loadAgentConfig() }
  const started: RunningService[] = []
  try {
    const controller = await controllerStart.startController(configs.controller)
    started.unshift(controller)
    const worker = await workerStart.startWorker(configs.worker)
    started.unshift(worker)
    const agent = await agentStart.startAgent({
      ...configs.agent,
      // Where the kernel chose the ports, the agent is told which.
      ...(configs.controller.port === 0 ? { controllerUrl: `http://127.0.0.1:${controller.port}` } : {}),
      ...(configs.worker.port === 0 ? { workerUrl: `http://127.0.0.1:${worker.port}` } : {}),
    })
    started.unshift(agent)
    if (process.stdout.isTTY || configs.controller.logFormat === 'pretty')
      process.stdout.write(banner({ controller: controller.port, agent: agent.port, worker: worker.port }))
    return {
      logger: controller.logger,
      shutdownTimeoutSeconds: configs.controller.shutdownTimeoutSeconds,
      // The agent first, so that it does not report the others as gone; the hits end before the controller goes.
      stop: async (signal) => {
        for (const service of started) await service.stop(signal)
      },
    }
  } catch (error) {
    for (const service of started) await service.stop(AbortSignal.timeout(1000))
    throw error
  }
})
