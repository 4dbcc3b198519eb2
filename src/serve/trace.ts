/** Where a request belongs in a trace (W3C Trace Context): the header as it came, and the id of the trace. */
export interface Trace {
  header: string
  id: string
}

/** Reads `traceparent`; undefined where there is none, or one that the specification calls invalid. */
export function traceOf(request: Request): Trace | undefined {
  const header = request.headers.get('traceparent') ?? ''
  const [, version, id, parent, , more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header) ?? []
  if (!id || !parent || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  return /[^0]/.test(id) && /[^0]/.test(parent) && header.length <= 200 ? { header, id } : undefined
}

/** The end of a line of the log. */
export const traced = (id: string | undefined): string => (id === undefined ? '' : ` (trace ${id})`)
