// Makes all packages of a release in build/release/, from a clean clone of the last commit, and checks them:
//
//   node tools/release.mjs [--here] [--only NAME,NAME] [--prebuilt FOLDER] [--out FOLDER]
//
// anneal, @anneal/run, and @anneal/TARGET for each TARGET with a folder build/prebuilt/TARGET* that tools/prebuild.mjs made from
// the same sources. `--here` packs the files of this folder, committed or not. The published anneal has the platform packages as
// optional dependencies; the package.json of the sources has none, so that `npm ci` in a clone installs without them: they exist
// only after a release, and a clone builds its own addon.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { problemsOf } from './release/contents.mjs'
import { linked } from './release/links.mjs'
import { table } from './release/table.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({
  options: {
    here: { type: 'boolean', default: false },
    only: { type: 'string' },
    prebuilt: { type: 'string', default: join(root, 'build', 'prebuilt') },
    out: { type: 'string', default: join(root, 'build', 'release') },
  },
})
const out = resolve(values.out)
const only = values.only?.split(',')
const json = path => JSON.parse(readFileSync(path, 'utf8'))
const write = (path, data) =>
  writeFileSync(path, typeof data === 'string' ? data : `${JSON.stringify(data, null, 2)}\n`)

function stop(line) {
  process.stderr.write(`release stopped: ${line}\n`)
  process.exit(1)
}

/** Runs a command. If it fails, prints the end of its output and stops. */
function must(command, args, cwd) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status === 0) return stdout
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`.split('\n').slice(-30).join('\n'))
  return stop(`${[command, ...args].join(' ')} failed`)
}

/** The folder with the sources: a clone of the last commit with its packages, or this folder. */
function sources() {
  if (values.here) return root
  if (must('git', ['status', '--porcelain'], root).trim())
    stop('there are changes that are not committed; commit them, or give --here to pack the files as they are')
  const clone = join(out, 'clone')
  must('git', ['clone', '--quiet', '--no-hardlinks', root, clone], out)
  return clone
}

/** The builds of the addon by target, each with its manifest. */
function builds() {
  const found = {}
  for (const name of existsSync(values.prebuilt) ? readdirSync(values.prebuilt).sort() : []) {
    const folder = join(values.prebuilt, name)
    if (!existsSync(join(folder, 'manifest.json'))) continue
    const manifest = json(join(folder, 'manifest.json'))
    found[manifest.target] ??= []
    found[manifest.target].push({ folder, manifest })
  }
  return found
}

/** Checks that a build is of these sources and unchanged, and that it may be shipped. */
async function checkBuild({ folder, manifest }, from, version) {
  const { sourcesDigest } = await import(join(from, 'dist', 'setup', 'state.js'))
  const again = `run node tools/prebuild.mjs ${manifest.target} again`
  if (manifest.sources !== sourcesDigest() || manifest.anneal !== version)
    stop(`${folder} was built from other sources than anneal ${version} has (${manifest.sources}); ${again}`)
  for (const [name, { sha256 }] of Object.entries(manifest.files))
    if (
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex') !== sha256
    )
      stop(`${join(folder, name)} does not have the digest in its manifest; ${again}`)
}

/** What npm calls a target, and what people call it. */
const targets = {
  'linux-x64': { os: 'linux', cpu: 'x64', libc: 'glibc', system: 'Linux on x86-64' },
  'linux-arm64': { os: 'linux', cpu: 'arm64', libc: 'glibc', system: 'Linux on arm64' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64', system: 'macOS on Apple processors' },
}

/** A folder with the files of a platform package. */
function platformFolder(target, itsBuilds, from, version) {
  const about = targets[target]
  const folder = join(out, 'stage', target)
  mkdirSync(folder, { recursive: true })
  const template = join(from, 'packages', 'platform')
  const fill = text => text.replaceAll('TARGET', target).replaceAll('SYSTEM', about.system)
  const { libc: _, ...rest } = JSON.parse(fill(readFileSync(join(template, 'package.json'), 'utf8')))
  const files = [...itsBuilds.map(({ manifest }) => `libtorch-${manifest.libtorch}`), 'NOTICE.md']
  const made = { ...rest, version, os: [about.os], cpu: [about.cpu], ...(about.libc && { libc: [about.libc] }), files }
  write(join(folder, 'package.json'), made)
  write(join(folder, 'README.md'), fill(readFileSync(join(template, 'README.md'), 'utf8')))
  copyFileSync(join(template, 'NOTICE.md'), join(folder, 'NOTICE.md'))
  copyFileSync(join(from, 'LICENSE'), join(folder, 'LICENSE'))
  for (const { folder: build, manifest } of itsBuilds) {
    const to = join(folder, `libtorch-${manifest.libtorch}`)
    mkdirSync(to)
    for (const name of ['manifest.json', ...Object.keys(manifest.files)])
      copyFileSync(join(build, name), join(to, name))
  }
  return folder
}

/** A folder with the files of anneal, and its package.json as it is published. */
function annealFolder(from, platformNames) {
  const folder = join(out, 'stage', 'anneal')
  const { scripts, devDependencies, allowScripts, ...about } = json(join(from, 'package.json'))
  for (const { path } of JSON.parse(must('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], from))[0].files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(join(from, path), join(folder, path))
  }
  const optional = Object.fromEntries(platformNames.map(name => [name, about.version]))
  write(join(folder, 'package.json'), platformNames.length ? { ...about, optionalDependencies: optional } : about)
  write(join(folder, 'README.md'), linked(readFileSync(join(from, 'README.md'), 'utf8'), about))
  return folder
}

/** Packs a folder into `out`. Returns the facts about the tarball. */
function pack(folder) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', out]
  const [{ name, version, filename, size, unpackedSize, entryCount, integrity }] = JSON.parse(must('npm', args, folder))
  const data = readFileSync(join(out, filename))
  const sha256 = createHash('sha256').update(data).digest('hex')
  return { name, version, file: filename, bytes: size, unpacked: unpackedSize, files: entryCount, sha256, integrity }
}

const start = performance.now()
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const from = sources()
must(process.execPath, ['tools/setup.mjs', '--dist', '--quiet'], from)
const { version } = json(join(from, 'package.json'))
const wanted = name => !only || only.includes(name.replace('@anneal/', ''))
const found = builds()
const names = Object.keys(found).filter(target => targets[target] && wanted(target))
const made = []
for (const target of names) {
  for (const build of found[target]) await checkBuild(build, from, version)
  made.push(pack(platformFolder(target, found[target], from, version)))
}
if (wanted('anneal'))
  made.unshift(
    pack(
      annealFolder(
        from,
        names.map(target => `@anneal/${target}`),
      ),
    ),
  )
if (wanted('run')) {
  must(process.execPath, ['build.mjs'], join(from, 'packages', 'run'))
  made.push(pack(join(from, 'packages', 'run')))
}
const problems = [
  ...problemsOf(made, out, {
    version,
    changelog: readFileSync(join(from, 'CHANGELOG.md'), 'utf8'),
    hidden: [root, from],
  }),
]
if (problems.length) stop(`${problems.length} problems:\n${problems.join('\n')}`)
if (!values.here)
  for (const { file } of made) must(process.execPath, ['--import', 'tsx', 'tools/package.ts', join(out, file)], from)
rmSync(join(out, 'stage'), { recursive: true, force: true })
rmSync(join(out, 'clone'), { recursive: true, force: true })
write(
  join(out, 'RELEASE.md'),
  table(
    version,
    made,
    names.flatMap(target => found[target].map(({ manifest }) => manifest)),
  ),
)
write(join(out, 'release.json'), made)
process.stdout.write(`${made.map(({ file, bytes }) => `${file}  ${(bytes / 1e6).toFixed(2)} MB`).join('\n')}\n`)
process.stdout.write(`${made.length} packages in ${((performance.now() - start) / 1000).toFixed(1)} s: ${out}\n`)
