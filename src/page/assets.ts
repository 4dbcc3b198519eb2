import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ModelError } from '../base/errors.ts'

/** The name of onnxruntime-web's .wasm file. */
export const wasmFile = 'ort-wasm-simd-threaded.wasm'

/** What a page is made of, beside its text and its model. */
export interface Assets {
  /** The page's script, a module: onnxruntime-web and what the project's build made of client/. */
  script: string
  wasm: Uint8Array
}

/** The scripts that the project's build makes, by the kind of model. */
const scripts = {
  picture: 'client.js',
  sound: 'client-sound.js',
  text: 'client-text.js',
  table: 'client-table.js',
} as const

/** Reads the parts that all pages of a kind of model share. Throws where onnxruntime-web is not installed. */
export function readAssets(kind: keyof typeof scripts = 'picture'): Assets {
  const folder = runtimeFolder()
  const bundle = readFileSync(join(folder, 'ort.wasm.bundle.min.mjs'), 'utf8')
  const script = `const annealAddress = import.meta.url\n${asConstant(bundle)}\n${readFileSync(clientFile(scripts[kind]), 'utf8')}\nannealPage.start(ort)\n`
  // The script may stand in HTML, where these would end it or hide what follows.
  if (/<\/script|<!--/i.test(script)) throw unknownRuntime('its text ends a script of HTML')
  return { script, wasm: readFileSync(join(folder, wasmFile)) }
}

/** The folder of the files that onnxruntime-web publishes. */
function runtimeFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`onnxruntime-web/${wasmFile}`))
  } catch (cause) {
    throw new ModelError(
      'a page computes its answers by onnxruntime-web, which is not installed. Install it: npm install onnxruntime-web',
      { cause },
    )
  }
}

/** The bundle of onnxruntime-web, a module, as a constant `ort` of the module that it is put into. */
function asConstant(bundle: string): string {
  const [whole, names] = /export\s*\{([^{}]*)\};?\s*(?:\/\/# sourceMappingURL=\S*\s*)?$/.exec(bundle) ?? []
  if (whole === undefined || /^\s*import[\s{*]/m.test(bundle)) throw unknownRuntime('its bundle has another form')
  const pairs = names!.split(',').map(pair => {
    const [, own, shown] = /^\s*([\w$]+)(?:\s+as\s+([\w$]+))?\s*$/.exec(pair) ?? []
    if (own === undefined) throw unknownRuntime(`its bundle exports ${pair}`)
    return `${shown ?? own}: ${own}`
  })
  // Firefox says "null" for the origin of a file, and the bundle takes that for an address.
  const place = "globalThis.location?.origin === 'null' ? undefined : globalThis.location"
  return `const ort = (location => {\n${bundle.slice(0, -whole.length)}\nreturn { ${pairs.join(', ')} }\n})(${place})`
}

const unknownRuntime = (why: string): ModelError =>
  new ModelError(
    `this version of onnxruntime-web can't be put into a page: ${why}. Take the one that Anneal is tested with: npm install onnxruntime-web@1.30`,
  )

/** The script of a page that asks a server, with its call, for the end of a page. */
export function servedScript(kind: 'text' | 'table'): string {
  const script = `${readFileSync(clientFile(`served-${kind}.js`), 'utf8')}\nannealPage.start()\n`
  if (/<\/script|<!--/i.test(script)) throw new ModelError(`the script of the page of ${kind}s ends a script of HTML`)
  return script
}

/** The script that the project's build made of client/ (tools/setup.mjs): beside this file in dist/, or there for a clone. */
function clientFile(name: string): string {
  const places = [`../page/${name}`, `../../dist/page/${name}`].map(path =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  const found = places.find(path => existsSync(path))
  if (found === undefined)
    throw new ModelError(`the script of pages is missing (${places.join(', ')}). Build it: node tools/setup.mjs`)
  return found
}
