// Resolves an import of src/NAME.ts to dist/NAME.js, where that is there. See register.mjs.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const src = new URL('../../src/', import.meta.url).href
const dist = new URL('../../dist/', import.meta.url).href

/** The file of dist/ for a file of src/, if there is one. */
function built(url) {
  if (!url.startsWith(src) || !url.endsWith('.ts')) return undefined
  const file = `${dist}${url.slice(src.length, -'.ts'.length)}.js`
  return existsSync(fileURLToPath(file)) ? file : undefined
}

export async function resolve(specifier, context, next) {
  const parent = context.parentURL
  const isPath = specifier.startsWith('.') && parent
  if (isPath || specifier.startsWith(src)) {
    const { href } = new URL(specifier, parent)
    const url = isPath && parent.startsWith(dist) ? href : built(href)
    if (url) return { url, format: 'module', shortCircuit: true }
  }
  return next(specifier, context)
}

export async function load(url, context, next) {
  if (!url.startsWith(dist) || context.format === 'json') return next(url, context)
  return { format: 'module', source: await readFile(fileURLToPath(url)), shortCircuit: true }
}
