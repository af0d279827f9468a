import type { RunningService } from '#lib/runtime/lifecycle.ts'
import { runUntilSignal } from '#lib/runtime/lifecycle.ts'

/** Where this machine reaches a service of its own. */
function localUrl(host: string | undefined, port: number): string {
  const name = host === undefined || host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}

/** What to try, printed once everything is there. A key of one's own is named, not shown. */
const banner = (ports: { readonly controller: number; readonly agent: number; readonly worker: number }, key: string): string => `
  console     http://localhost:${ports.controller}/console
  controller  http://localhost:${ports.controller}   API: http://localhost:${ports.controller}/docs
  agent       http://localhost:${ports.agent}/status
  worker      http://localhost:${ports.worker}   API: http://localhost:${ports.worker}/docs

  Publish a config, and hit its URL:
    curl -s localhost:${ports.controller}/config -H "X-API-Key: ${key}" -H 'Content-Type: application/json' \\
      -d '{"data": {"url": "http://localhost:${ports.controller}/health"}, "poll_interval_seconds": 30}'
    sleep 1; curl -s 'localhost:${ports.worker}/hit?wait=10'

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
    const worker = await workerStart.startWorker(configs.worker)
    started.unshift(worker)
    const controller = await controllerStart.startController({
      consoleWorkerUrl: localUrl(configs.worker.host, worker.port),
      ...configs.controller,
    })
    started.unshift(controller)
    const agent = await agentStart.startAgent({
      ...configs.agent,
      // Unless somebody said otherwise, its controller and worker are those of this process, on whatever port.
      ...(configs.agent.said.controllerUrl ? {} : { controllerUrl: localUrl(configs.controller.host, controller.port) }),
      ...(configs.agent.said.workerUrl ? {} : { workerUrl: localUrl(configs.worker.host, worker.port) }),
    })
    started.unshift(agent)
    if (process.stdout.isTTY || configs.controller.logFormat === 'pretty')
      process.stdout.write(
        banner({ controller: controller.port, agent: agent.port, worker: worker.port }, configs.controller.ownKey ? '$API_KEY' : configs.controller.apiKey),
      )
    return {
      logger: controller.logger,
      shutdownTimeoutSeconds: configs.controller.shutdownTimeoutSeconds,
      // All at once, so that none takes another's time, and held requests are answered at the signal.
      stop: async (signal) => {
        const ended = await Promise.allSettled([agent.stop(signal), worker.stop(signal), controller.stop(signal)])
        for (const end of ended) if (end.status === 'rejected') throw end.reason
      },
    }
  } catch (error) {
    for (const service of started) await service.stop(AbortSignal.timeout(1000))
    throw error
  }
})
