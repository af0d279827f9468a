/** What is published: a small config as a fleet has it. */
export const configData = {
  url: 'http://127.0.0.1:8080/orders/refresh',
  region: 'eu-central-1',
  log_level: 'info',
  features: { checkout: 'v2', search: 'v3' },
}

/** The body of a publish. */
export const publishBody = JSON.stringify({ data: configData, poll_interval_seconds: 30 })

/** The URL in jobs that are queued and never run. */
export const hitUrl = configData.url

/** The page that hits read. */
export const targetBody = 'refreshed\n'

/** The queue of the raw BullMQ baseline; beside ours on the same Redis. */
export const RAW_QUEUE = 'raw'

/** Where the raw BullMQ baseline keeps a result. */
export const rawResultKey = (taskId: string): string => `raw:result:${taskId}`
