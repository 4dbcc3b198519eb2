// What may be in the packages of a release, and what must not be.
import { spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What each package may hold, as patterns of paths. A path that no pattern allows is a problem. */
const allowed = {
  anneal: [
    /^(LICENSE|README\.md|CHANGELOG\.md|CONTRIBUTING\.md|Dockerfile|package\.json)$/,
    /^bin\/anneal\.mjs$/,
    /^dist\/(?!.*\.(test|make)\.)[\w./-]+\.(js|cjs|d\.ts|d\.cts|html|css)$/,
    /^dist\/page\/licences\.json$/,
    /^native\/[\w./-]+\.(cpp|h)$|^native\/(CMakeLists\.txt|README\.md)$/,
    /^tools\/setup\.mjs$/,
    /^docs\/[\w./-]+\.(md|png|svg|jpg|webp)$/,
    /^docs\/ranks\/\w+\.(sh|yaml)$/,
    /^schema\/[\w.-]+\.json$/,
    /^examples\/[\w./-]+$/,
    /^bench\/results\/[\w.-]+\.svg$/,
    /^src\/[\w./-]+\.ts$/,
  ],
  '@anneal/run': [/^(LICENSE|README\.md|package\.json)$/, /^dist\/([\w./-]+\.(js|d\.ts)|LICENSE\.tokenizers)$/],
  platform: [
    /^(LICENSE|README\.md|NOTICE\.md|package\.json)$/,
    /^libtorch-[\d.]+\/(anneal\.node|preload\.node|manifest\.json)$/,
  ],
}

/** What each package must hold: each pattern fits a path. */
const needed = {
  anneal: [
    /^dist\/index\.js$/,
    /^dist\/index\.d\.ts$/,
    /^dist\/program\/main\.js$/,
    /^native\/CMakeLists\.txt$/,
    /^LICENSE$/,
  ],
  '@anneal/run': [/^dist\/node\.js$/, /^dist\/browser\.js$/, /^dist\/edge\.js$/, /^LICENSE$/],
  platform: [/\/anneal\.node$/, /\/preload\.node$/, /\/manifest\.json$/, /^NOTICE\.md$/, /^LICENSE$/],
}

/** The most bytes of each tarball. */
const most = { anneal: 3e6, '@anneal/run': 2e5, platform: 12e6 }

const secrets = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\bnpm_[A-Za-z0-9]{36}\b/,
  /\bgh[pousr]_[A-Za-z0-9]{36}\b/,
  /\bAKIA[0-9A-Z]{16}\b/,
  /_authToken\s*=\s*[^$\s]/,
  /\bxox[bap]-[0-9A-Za-z-]{20,}/,
]

/** Everything that is wrong with the packages, one line each; none in a good release. `hidden`: folders of this machine
 *  that no file may name, beside the home folder. */
export function problemsOf(packages, folder, { version, changelog, hidden }) {
  const problems = []
  for (const { name, version: its, file, bytes } of packages) {
    const kind = name in allowed ? name : 'platform'
    if (its !== version) problems.push(`${name} has version ${its}; anneal has ${version}`)
    if (bytes > most[kind]) problems.push(`${file} has ${bytes} bytes; at most ${most[kind]} are expected`)
    const paths = tar(['-tzf', join(folder, file)])
      .split('\n')
      .filter(path => path && !path.endsWith('/'))
      .map(path => path.replace(/^package\//, ''))
    for (const pattern of needed[kind])
      if (!paths.some(path => pattern.test(path))) problems.push(`${file}: no path fits ${pattern}`)
    for (const path of paths)
      if (!allowed[kind].some(pattern => pattern.test(path))) problems.push(`${file}: ${path} should not be in it`)
    problems.push(...leaks(tar(['-xzOf', join(folder, file)], 'latin1'), hidden).map(line => `${file}: ${line}`))
  }
  if (!changelog.includes(`## [${version}]`)) problems.push(`CHANGELOG.md has no part about [${version}]`)
  return problems
}

/** Secrets and folders of this machine in the bytes of a package. */
export function leaks(text, hidden) {
  const folders = [homedir(), ...hidden].map(path => path.replace(/\/+$/, '')).filter(path => path.length > 1)
  const machine = folders.map(path => `${path}/`).filter(path => text.includes(path))
  return [
    ...secrets
      .flatMap(pattern => pattern.exec(text)?.[0] ?? [])
      .map(found => `it holds a secret: ${found.slice(0, 12)}…`),
    ...[...new Set(machine)].map(path => `it names a folder of this machine: ${around(text, path)}`),
  ]
}

function around(text, part) {
  const at = text.indexOf(part)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a binary file is quoted
  return /^[^\0\n]{0,120}/.exec(text.slice(at, at + 120))[0].replace(/[\x00-\x1f\x7f-\xff]/g, '?')
}

function tar(args, encoding = 'utf8') {
  const { status, stdout, stderr } = spawnSync('tar', args, { encoding, maxBuffer: 1 << 29 })
  if (status !== 0) throw new Error(`tar ${args.join(' ')}: ${stderr}`)
  return stdout
}
