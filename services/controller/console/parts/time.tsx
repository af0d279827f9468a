/** A moment: in the reader's zone where there are scripts, else in UTC; its exact value on hover. */
export const Time = ({ at }: { readonly at: string }) => (
  <dcm-time hx-morph-skip-children datetime={at}>
    <time datetime={at} title={at}>
      {at.slice(0, 19).replace('T', ' ')} UTC
    </time>
  </dcm-time>
)
