import { build } from 'esbuild'

/** The files that a page of the console loads, by name. */
export type BuiltAssets = ReadonlyMap<string, Uint8Array>

/**
 * Bundles what the browser gets: the scripts with htmx and uPlot, and the styles with Pico, each one file. Needs esbuild,
 * which an installation for production has no more: `npm run build` has called it before.
 * @param folder of the browser's sources
 */
export async function buildAssets(folder: string): Promise<BuiltAssets> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: { console: './main.ts', 'console-styles': './console.css' },
    outdir: '/out',
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    target: ['es2022', 'chrome111', 'firefox119', 'safari16.4'],
    loader: { '.svg': 'dataurl' },
    logLevel: 'warning',
  })
  return new Map(outputFiles.map(({ path, contents }) => [path.slice(path.lastIndexOf('/') + 1).replace('console-styles', 'console'), contents]))
}
