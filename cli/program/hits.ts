import { type Command, Option } from 'commander'
import { hitStatuses } from '#lib/contract/hit.ts'
import { MAX_BULK_HITS } from '#lib/contract/hits.ts'
import { limit, type Run, whole } from './options.ts'

/** Hits, and operating them. */
export function addHitCommands(program: Command, run: Run): void {
  program
    .command('hit')
    .description('let the worker hit the configured URL')
    .option('--wait', 'wait for its end')
    .option('--timeout <seconds>', 'how long --wait waits', whole(1, 86_400), 60)
    .option('--idempotency-key <key>', 'makes a repeat safe: the same key gives the same task')
    .action((options) => run(async (context) => (await import('../commands/hit.ts')).hit(context, options)))
  const hits = program.command('hits').description('look at hits, and operate them')
  const operate = () => import('../commands/hits.ts')
  hits
    .command('list', { isDefault: true })
    .description('list hits')
    .addOption(new Option('--state <state>', 'only those in this state').choices(hitStatuses))
    .addOption(limit('hits'))
    .action((options) => run(async (context) => (await operate()).listHits(context, options)))
  hits
    .command('show')
    .description('show one hit, with the body of the answer')
    .argument('<task>', 'its id')
    .action((task) => run(async (context) => (await import('../commands/hit.ts')).showHit(context, task)))
  hits
    .command('stats')
    .description('show how hits stand')
    .action(() => run(async (context) => (await operate()).hitStats(context)))
  hits
    .command('queue')
    .description('queue many hits of the configured URL, all or none')
    .argument('<count>', 'how many', whole(1, MAX_BULK_HITS))
    .action((count) => run(async (context) => (await operate()).queueHits(context, count)))
  hits
    .command('retry')
    .description('run a hit again that has ended, or those that failed')
    .argument('[task]', 'its id')
    .option('--failed', 'all that failed, the longest ended first')
    .action((task, options) => run(async (context) => (await operate()).retryHits(context, task, options)))
  hits
    .command('pause')
    .description('let no hit begin, on no worker of this queue; hits are taken, and wait')
    .action(() => run(async (context) => (await operate()).pauseHits(context, true)))
  hits
    .command('resume')
    .description('let hits begin again')
    .action(() => run(async (context) => (await operate()).pauseHits(context, false)))
}
