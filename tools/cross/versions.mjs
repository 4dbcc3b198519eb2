// Which versions of the system's libraries a file for Linux needs.

/** Whether version `a` is newer than `b`. */
export function newer(a, b) {
  const [x, y] = [a, b].map(version => version.split('.').map(Number))
  for (let i = 0; i < Math.max(x.length, y.length); i++)
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) > (y[i] ?? 0)
  return false
}

/** The highest version of each library that objdump names: `{ GLIBC: '2.16', GLIBCXX: '3.4.22' }`. */
export function versionsIn(printed) {
  const highest = {}
  for (const [, library, version] of printed.matchAll(/\b(GLIBC|GLIBCXX|CXXABI|GOMP)_(\d[\d.]*)/g))
    if (!highest[library] || newer(version, highest[library])) highest[library] = version
  return highest
}
