import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sha256 } from '../base/digest.ts'
import { FileError, OptionError } from '../base/errors.ts'
import { writeAtomic } from '../base/files.ts'
import { option } from '../base/options.ts'
import type { Card, SoundFileCard, TableFileCard, TextFileCard } from '../onnx/index.ts'
import { type Html, html, raw } from '../report/page/html.ts'
import { type Assets, wasmFile } from './assets.ts'
import { type Example, generator, type Parts, pageOf } from './document.ts'
import { soundPageOf } from './sound-document.ts'
import { tablePageOf } from './table-document.ts'
import { type TextExample, textPageOf } from './text-document.ts'

/** The files of a page, with their sizes in bytes. */
export type Written = { file: string; bytes: number }[]

/** Where a page is written: into a folder for a web server, or into one file that also opens from the disk. */
export interface PagePlace {
  /** The folder to write: `index.html`, `page.js`, `model.onnx`, `licences.txt` and the .wasm file of
   *  onnxruntime-web. */
  page?: string | undefined
  /** Or the .html file to write, with all of it inside. */
  singleFile?: string | undefined
}

/** Throws unless a page has one place, with the ending of a page. */
export function refusePlace({ page, singleFile }: PagePlace): void {
  if ((page === undefined) === (singleFile === undefined))
    throw new OptionError(`a page needs one place: ${option('page')} DIR, or ${option('singleFile')} FILE.html.`)
  if (singleFile !== undefined && !/\.html?$/i.test(singleFile))
    throw new OptionError(
      `${option('singleFile')}: got ${singleFile}, expected a name that ends in .html, so that it opens in a browser.`,
    )
}

/** Refuses to write over files that Anneal did not write: a page of one file, or the folder of one. */
export function refuseForeignPage({ page, singleFile }: PagePlace): void {
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory()
  const other = `Choose another place (${option('page')}, ${option('singleFile')}), or remove it.`
  if (page !== undefined && existsSync(page) && !isFolder(page))
    throw new FileError(
      `${page}: is a file; ${option('page')} needs a folder. For one file use ${option('singleFile')}.`,
    )
  if (singleFile !== undefined && isFolder(singleFile))
    throw new FileError(`${singleFile}: is a folder; ${option('singleFile')} needs the path of a .html file.`)
  const file = singleFile ?? join(page!, 'index.html')
  if (existsSync(file)) {
    if (readFileSync(file).subarray(0, 4096).includes(`content="${generator}"`)) return
    throw new FileError(`${file}: exists and is no page that Anneal wrote. ${other}`)
  }
  const script = page !== undefined && join(page, 'page.js')
  if (script && existsSync(script))
    throw new FileError(`${script}: exists, and no page that Anneal wrote is beside it. ${other}`)
}

const licencesFile = 'licences.txt'

/** Writes a page of several files, for a web server: `index.html`, `page.js`, the .wasm file and the licences beside the
 *  `model.onnx` that is there. */
export function writePage(
  folder: string,
  model: Uint8Array,
  card: PageCard,
  assets: Assets,
  examples: readonly (Example | TextExample)[],
): Written {
  const { script, wasm, licences } = assets
  // The digest in the address keeps a browser from joining files of two exports out of its cache.
  const address = (name: string, content: string | Uint8Array) => `${name}?v=${sha256(content).slice(0, 12)}`
  const page = documentOf(
    card,
    {
      model: { bytes: model.length, url: address('model.onnx', model) },
      wasm: { bytes: wasm.length, url: address(wasmFile, wasm) },
      script: { url: address('page.js', script) },
      licences: { url: licencesFile },
    },
    examples,
  )
  const files: [string, string | Uint8Array][] = [
    [wasmFile, wasm],
    ['page.js', script],
    [licencesFile, licences],
    ['index.html', page],
  ]
  for (const [name, content] of files) writeAtomic(join(folder, name), content)
  const sizes = files.map(([name, content]) => ({ file: join(folder, name), bytes: Buffer.byteLength(content) }))
  return [{ file: join(folder, 'model.onnx'), bytes: model.length }, ...sizes].reverse()
}

/** The card of a model that a page can hold. */
export type PageCard = Card | SoundFileCard | TextFileCard | TableFileCard

/** The page of a model by its kind. examples: pictures for a model of pictures, texts for one of texts. */
function documentOf(
  card: PageCard,
  parts: Parts,
  examples: readonly (Example | TextExample)[],
  embedded: Html = html``,
): string {
  if (card.format === 'anneal-sound-model') return soundPageOf(card, parts, embedded)
  if (card.format === 'anneal-table-model') return tablePageOf(card, parts, embedded)
  if (card.format === 'anneal-text-model') return textPageOf(card, parts, examples as readonly TextExample[], embedded)
  return pageOf(card, parts, examples as readonly Example[], embedded)
}

/** So many bytes become one piece of base64; a multiple of 3. */
const piece = 12 << 20

/** Writes a page as one HTML file, which also opens from the disk: model and runtime are in it, as base64 of gzip. */
export function writeSingleFile(
  file: string,
  model: Uint8Array,
  card: PageCard,
  assets: Assets,
  examples: readonly (Example | TextExample)[],
): Written {
  const { script, wasm, licences } = assets
  const mark = '<!-- the files -->'
  const parts = {
    model: { bytes: model.length },
    wasm: { bytes: wasm.length },
    script: { text: script },
    licences: { text: licences },
  }
  const [before, after] = documentOf(card, parts, examples, raw(mark)).split(mark) as [string, string]
  // In pieces: a text of all of it could be longer than a string may be.
  const pieces = Object.entries({ model, wasm }).flatMap(([name, content]) => {
    const packed = gzipSync(content)
    return Array.from({ length: Math.ceil(packed.length / piece) }, (_, i) => {
      const text = packed.subarray(i * piece, (i + 1) * piece).toString('base64')
      return `<script type="text/plain" data-file="${name}">${text}</script>\n`
    })
  })
  const texts = [before, ...pieces, after]
  writeAtomic(file, ...texts)
  return [{ file, bytes: texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) }]
}
