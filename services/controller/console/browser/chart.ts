import uPlot from 'uplot'

/** What `<dcm-chart data="…">` draws: JSON. */
interface ChartData {
  /** What the horizontal axis is, with its unit. */
  readonly axis: string
  /** Its values, rising. */
  readonly x: readonly number[]
  /** Drawn on a logarithmic axis, in ms. */
  readonly log?: boolean
  readonly series: readonly { readonly name: string; readonly kind: string; readonly y: readonly (number | null)[] }[]
}

const HEIGHT = 260

/** A time since the beginning as an axis shows it. */
function since(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`
  return ms < 3_600_000 ? `${Math.round(ms / 6000) / 10} min` : `${Math.round(ms / 360_000) / 10} h`
}

/** A colour of the page's styles, by the name of its variable. */
const colour = (element: Element, name: string): string => getComputedStyle(element).getPropertyValue(`--dcm-${name}`).trim() || 'gray'

/** A chart of lines over one axis. Its content, a table or words, is for those who have no scripts or do not see. */
export class ChartElement extends HTMLElement {
  static readonly observedAttributes = ['data']
  #plot: uPlot | undefined
  #shape = ''
  #resize: ResizeObserver | undefined
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)')
  readonly #redraw = () => {
    this.#shape = ''
    this.#draw()
  }

  connectedCallback(): void {
    this.#resize = new ResizeObserver(() => this.#plot?.setSize({ width: this.clientWidth, height: HEIGHT }))
    this.#resize.observe(this)
    this.#scheme.addEventListener('change', this.#redraw)
    this.#draw()
  }

  disconnectedCallback(): void {
    this.#resize?.disconnect()
    this.#scheme.removeEventListener('change', this.#redraw)
    this.#plot?.destroy()
    this.#plot = undefined
    this.#shape = ''
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#draw()
  }

  #draw(): void {
    const data = JSON.parse(this.getAttribute('data') ?? 'null') as ChartData | null
    if (data === null || data.x.length === 0) {
      this.#plot?.destroy()
      this.#plot = undefined
      this.#shape = ''
      return
    }
    const lines = [data.x, ...data.series.map(({ y }) => y)] as uPlot.AlignedData
    const shape = JSON.stringify([data.axis, data.log, data.series.map(({ name, kind }) => [name, kind])])
    if (this.#plot && shape === this.#shape) {
      this.#plot.setData(lines)
      return
    }
    this.#plot?.destroy()
    this.#shape = shape
    const ink = colour(this, 'ink')
    const grid = { stroke: colour(this, 'grid'), width: 1 }
    const axis = { stroke: ink, grid, ticks: grid, font: '12px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif' }
    this.#plot = new uPlot(
      {
        width: this.clientWidth || 600,
        height: HEIGHT,
        scales: { x: { time: false, ...(data.log ? { distr: 3 as const } : {}) }, y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.05)] } },
        axes: [
          {
            ...axis,
            label: data.axis,
            ...(data.log ? { values: (_plot: uPlot, splits: readonly (number | null)[]) => splits.map((ms) => (ms === null ? '' : since(ms))) } : {}),
          },
          { ...axis, size: 60, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000] },
        ],
        series: [
          { label: data.axis, ...(data.log ? { value: (_plot: uPlot, ms: number | null) => (ms === null ? '–' : since(ms)) } : {}) },
          ...data.series.map(({ name, kind }) => ({
            label: name,
            stroke: colour(this, kind),
            width: 2,
            points: { show: data.x.length < 40, size: 5 },
            ...(uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
          })),
        ],
        legend: { live: true },
      },
      lines,
      this,
    )
  }
}
