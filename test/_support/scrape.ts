/** A scrape as a test reads it: the samples by name and labels, as they are written. */
export class Scrape {
  readonly text: string
  readonly samples: ReadonlyMap<string, number>
  readonly types: ReadonlyMap<string, string>

  constructor(text: string) {
    this.text = text
    const lines = text.split('\n').filter((line) => line !== '')
    this.samples = new Map(
      lines.filter((line) => !line.startsWith('#')).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    )
    const types = lines.flatMap((line) => {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
      return name !== undefined && type !== undefined ? [[name, type] as const] : []
    })
    this.types = new Map(types)
  }

  /** The value of a sample, named as it is written: `dcm_agents{state="failed"}`. */
  value(sample: string): number | undefined {
    return this.samples.get(sample)
  }

  /** The samples of one metric by the rest of their names. */
  of(name: string): Record<string, number> {
    return Object.fromEntries(
      [...this.samples].flatMap(([key, value]) => (key === name || key.startsWith(`${name}{`) ? [[key.slice(name.length), value]] : [])),
    )
  }
}

/** Scrapes a service, by whatever answers a request; fails where that is not a 200. */
export async function scrape(request: (path: string) => Response | Promise<Response>): Promise<Scrape> {
  const answer = await request('/metrics')
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`the scrape was answered with ${answer.status}: ${text}`)
  return new Scrape(text)
}
