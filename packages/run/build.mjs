// Builds the package from src/runtime/: dist/node.js, browser.js and edge.js with their chunks, and declarations.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '..', '..')
const dist = join(here, 'dist')
const names = ['node', 'browser', 'edge']
const entries = names.map(name => join(root, 'src', 'runtime', `${name}.ts`))

// The tokenizer is in the package, so that a model of texts reads them by the version that training had, and needs no package
// more. It is a file of its own, which other models never load.
const tokenizers = join(root, 'node_modules', '@huggingface', 'tokenizers')
const withTokenizers = {
  name: 'tokenizers',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^@huggingface\/tokenizers$/ }, () => ({
      path: join(tokenizers, 'dist', 'tokenizers.min.mjs'),
    })),
}

rmSync(dist, { recursive: true, force: true })
for (const [i, entry] of entries.entries())
  await build({
    entryPoints: [entry],
    outdir: dist,
    bundle: true,
    splitting: true, // what few pictures or pages need comes when they need it
    chunkNames: `${names[i]}/[name]-[hash]`,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    packages: 'external',
    external: ['node:*'],
    plugins: [withTokenizers],
    legalComments: 'none',
  })

// Declarations go through a folder of their own: only those that the entries reach are kept.
const all = join(dist, 'all')
const tsc = join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc')
const config = join(dist, 'tsconfig.json')
const compilerOptions = {
  noEmit: false,
  emitDeclarationOnly: true,
  declaration: true,
  incremental: false,
  rootDir: join(root, 'src'),
  outDir: all,
}
writeFileSync(
  config,
  JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: [], files: entries }),
)
const { status } = spawnSync(process.execPath, [tsc, '-p', config], { stdio: ['ignore', 2, 2] })
if (status !== 0) process.exit(status ?? 1)
const kept = new Set()
const keep = file => {
  if (kept.has(file)) return
  kept.add(file)
  const text = readFileSync(file, 'utf8')
  for (const [, path] of text.matchAll(/(?:from|import\() ?'(\.[^']+)\.ts'/g)) keep(join(dirname(file), `${path}.d.ts`))
  // `await using` needs a symbol that not every project's library has.
  const head = text.includes('Symbol.asyncDispose') ? '/// <reference lib="esnext.disposable" />\n' : ''
  const to = join(dist, 'types', relative(all, file))
  mkdirSync(dirname(to), { recursive: true })
  writeFileSync(to, head + text.replace(/(['"]\.[^'"]+)\.ts(['"])/g, '$1.js$2'))
}
for (const name of names) keep(join(all, 'runtime', `${name}.d.ts`))
rmSync(all, { recursive: true })
rmSync(config)
copyFileSync(join(tokenizers, 'LICENSE'), join(dist, 'LICENSE.tokenizers'))
if (!existsSync(join(here, 'LICENSE'))) copyFileSync(join(root, 'LICENSE'), join(here, 'LICENSE'))
