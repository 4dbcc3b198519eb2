// What `npm pack` and `npm publish` do around packing (`prepack`, `postpack`). Before: dist/ is made where it is missing or
// stale, and the README's links, which name files of this folder, name the same files of the package as unpkg serves
// them: a package's page shows the README alone. After: the README is as it was.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = join(root, 'README.md')
const kept = join(root, 'build', 'README.kept.md')

/** The README with links that stand anywhere: `](docs/labels.md)` → `](https://unpkg.com/anneal@0.1.0/docs/labels.md)`. */
function linked(text, { name, version }) {
  return text.replace(
    /\]\((?![a-z]+:|#|\/)([^)\s]+)\)/g,
    (_, path) => `](https://unpkg.com/${name}@${version}/${path})`,
  )
}

function before() {
  after() // a packing that was killed
  // What npm was told about packing is not meant for the packages that building needs.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_config_(dry_run|json|pack)/i.test(name)),
  )
  const { status } = spawnSync(process.execPath, [join(root, 'tools', 'setup.mjs'), '--dist', '--quiet'], {
    cwd: root,
    env,
    stdio: ['ignore', 2, 2], // stdout is npm's: `npm pack --json`
  })
  if (status !== 0) process.exit(status ?? 1)
  const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  mkdirSync(dirname(kept), { recursive: true })
  copyFileSync(readme, kept)
  writeFileSync(readme, linked(readFileSync(readme, 'utf8'), about))
}

function after() {
  if (existsSync(kept)) renameSync(kept, readme)
}

process.argv[2] === 'before' ? before() : after()
