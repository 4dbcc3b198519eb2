// Runs before and after `npm pack` and `npm publish` (`prepack`, `postpack`). Before: it compiles dist/ if that is
// missing or stale, and it rewrites the README's relative links to the addresses of the same files on unpkg, because
// the page of a package shows only the README. After: it restores the README.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { linked } from './release/links.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = join(root, 'README.md')
const kept = join(root, 'build', 'README.kept.md')

function before() {
  after() // if an earlier packing was killed
  // npm passes its options to scripts. Those about packing must not reach the `npm ci` of the set-up.
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
