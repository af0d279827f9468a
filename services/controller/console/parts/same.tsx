import { curlOf, type Same } from './shell.ts'

/** What does the same as the view above it. */
export const SameBy = ({ same }: { readonly same: Same }) => (
  <details class="same">
    <summary>The same by command</summary>
    <pre>
      <code>{same.dcm}</code>
    </pre>
    {same.request ? (
      <pre>
        <code>{curlOf(same.request)}</code>
      </pre>
    ) : null}
  </details>
)
