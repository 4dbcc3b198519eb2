import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ModelError } from '../base/errors.ts'
import { version } from '../base/version.ts'

/** The name of onnxruntime-web's .wasm file. */
export const wasmFile = 'ort-wasm-simd-threaded.wasm'

/** What a page is made of, beside its text and its model. */
export interface Assets {
  /** The page's script, a module: onnxruntime-web and what the project's build made of client/. */
  script: string
  wasm: Uint8Array
  /** The licences of what the script and the .wasm file hold, as a text. */
  licences: string
}

/** The scripts that the project's build makes, by the kind of model. */
const scripts = {
  picture: 'client.js',
  sound: 'client-sound.js',
  text: 'client-text.js',
  table: 'client-table.js',
  'table with texts': 'client-table-texts.js',
} as const

/** Reads the parts that all pages of a kind of model share. Throws where onnxruntime-web is not installed. */
export function readAssets(kind: keyof typeof scripts = 'picture'): Assets {
  const folder = runtimeFolder()
  const bundle = readFileSync(join(folder, 'ort.wasm.bundle.min.mjs'), 'utf8')
  const script = `const annealAddress = import.meta.url\n${asConstant(bundle)}\n${readFileSync(clientFile(scripts[kind]), 'utf8')}\nannealPage.start(ort)\n`
  // The script may stand in HTML, where these would end it or hide what follows.
  if (/<\/script|<!--/i.test(script)) throw unknownRuntime('its text ends a script of HTML')
  const runtime = JSON.parse(readFileSync(join(folder, '..', 'package.json'), 'utf8')) as { version: string }
  return {
    script,
    wasm: readFileSync(join(folder, wasmFile)),
    licences: licencesText(scripts[kind], runtime.version),
  }
}

/** A part of a page: the name, version and licence of a package. */
interface Licence {
  name: string
  version: string
  license: string
  text: string
}

/** All licences that go with a script: of Anneal, of onnxruntime-web, whose package holds no text, and of the packages that
 *  the build put into the script. */
function licencesText(script: string, runtime: string): string {
  const packages = JSON.parse(readFileSync(clientFile('licences.json'), 'utf8')) as Record<string, Licence[]>
  const all: Licence[] = [
    { name: 'anneal', version: version(), license: 'Apache-2.0', text: readFileSync(licenceFile(), 'utf8') },
    { name: 'onnxruntime-web', version: runtime, license: 'MIT', text: runtimeLicence(runtime) },
    ...packages[script]!,
  ]
  const known = new Map<string, string>()
  const parts = all.map(({ name, version, license, text }) => {
    const same = known.get(text.trim())
    known.set(text.trim(), name)
    return `${name} ${version} (${license})\n\n${same === undefined ? text.trim() : `The text of the licence is that of ${same}, above.`}\n`
  })
  return `This page holds software of these packages. Their licences follow.\n\n${all.map(({ name, version, license }) => `- ${name} ${version} (${license})`).join('\n')}\n\n${parts.map(part => `${'='.repeat(80)}\n${part}`).join('\n')}`
}

const runtimeLicence = (version: string) => `Copyright (c) Microsoft Corporation

${mit}

Its .wasm file holds parts of other projects. Their notices:
https://github.com/microsoft/onnxruntime/blob/v${version}/ThirdPartyNotices.txt`

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

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

/** The licence of Anneal, in the package's folder: two folders above this file, in dist/ and in src/. */
const licenceFile = () => fileURLToPath(new URL('../../LICENSE', import.meta.url))

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
