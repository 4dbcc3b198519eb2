/** An error that the user can act on. Its message says in one line what happened (with the values received), what was
 *  expected and what to do next. The CLI prints only the message, without a stack trace, and exits with `exitCode`. */
export class AnnealError extends Error {
  readonly exitCode: number
  constructor(message: string, { cause, exitCode = 1 }: { cause?: unknown; exitCode?: number } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AnnealError'
    this.exitCode = exitCode
  }
}

/** The names nearest to `name` by edit distance: at most `most`, and only names that the user may have meant. */
export function nearest(name: string, names: Iterable<string>, most = 3): string[] {
  const limit = Math.max(2, Math.floor(name.length / 3))
  return [...names]
    .map(candidate => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= limit || candidate.toLowerCase().startsWith(name.toLowerCase()))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ candidate }) => candidate)
}

/** ` Did you mean "resnet34"?`, or the empty text if no name is near. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = nearest(name, names, 1)[0]
  return near === undefined ? '' : ` Did you mean "${near}"?`
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}

/** The reason why a file could not be opened or decoded, in a few words. */
export function fileReason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'it does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied'
  if (code === 'EISDIR') return 'it is a folder'
  return error instanceof Error ? error.message : String(error)
}
