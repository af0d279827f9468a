/** A link to an agent, by its hostname. */
export const AgentLink = ({ id, hostname }: { readonly id: string; readonly hostname: string | null }) => (
  <a href={`/console/agents/${encodeURIComponent(id)}`}>{hostname ?? id}</a>
)

/** A link to a version; words where there is none. */
export const VersionLink = ({ version, none = 'none' }: { readonly version: number | null; readonly none?: string }) =>
  version === null ? <span>{none}</span> : <a href={`/console/configs/${version}`}>{version}</a>
