/** The weight of the page that `anneal export --page` writes, and how soon it answers:
 *  node --import tsx bench/page.ts [MODEL.onnx] [--rounds 5] [--quick]
 *
 *  Bytes of each part, raw and as gzip (level 6) sends them, without the model and with it, and of the page as a single file;
 *  of the parts of the other kinds of pages, too (sounds, texts, tables).
 *  With a Chromium on this machine: milliseconds from opening the page until the model is ready, and from choosing a picture
 *  (a JPEG of 640 × 480) until its answer is shown, from a server on this machine and from the disk; `load` is how many
 *  processes wanted a processor meanwhile. Without MODEL a model of a few operators, so that the times are those of page and
 *  runtime alone. Needs `npm run build`. Writes bench/results/page.json. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { readCard } from '../src/onnx/index.ts'
import { readAssets } from '../src/page/assets.ts'
import { writePage, writeSingleFile } from '../src/page/write.ts'
import { browserPath, launch } from '../test/helpers/chromium.ts'
import { colourMaps, heatCard, serveFolder } from '../test/page/pages.make.ts'
import { measuredOn } from './machine.ts'
import { figures, writeResult } from './rival.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, quick: { type: 'boolean', default: false } },
})
const rounds = values.quick ? 1 : Number(values.rounds)
const work = mkdtempSync(join(tmpdir(), 'anneal-page-bench-'))
const model = positionals[0] === undefined ? colourMaps(heatCard()) : new Uint8Array(readFileSync(positionals[0]))
const card = readCard(model, positionals[0] ?? 'the model')
const assets = readAssets()

const sizes = (files: readonly { file: string }[]) =>
  files.map(({ file }) => {
    const content = readFileSync(file)
    return { file: basename(file), bytes: content.length, gzip: gzipSync(content).length }
  })
const sum = (parts: ReturnType<typeof sizes>, key: 'bytes' | 'gzip') => parts.reduce((all, part) => all + part[key], 0)

/** Milliseconds until the model is ready, and from a chosen picture to its answer, in a browser that has just started. */
async function timesOf(url: string, picture: Buffer): Promise<[ready: number, answer: number]> {
  const browser = await launch()
  try {
    const page = await browser.newPage()
    const start = performance.now()
    await page.goto(url)
    await page.locator('#said', { hasText: 'Ready.' }).waitFor()
    const ready = performance.now()
    await page.setInputFiles('#file', { name: 'a.jpg', mimeType: 'image/jpeg', buffer: picture })
    await page.locator('#answers > li').waitFor()
    return [ready - start, performance.now() - ready]
  } finally {
    await browser.close()
  }
}

try {
  const folder = join(work, 'page')
  const files = writePage(folder, model, card, assets, [])
  writeFileSync(join(folder, 'model.onnx'), model)
  const single = writeSingleFile(join(work, 'page.html'), model, card, assets, [])
  const parts = sizes(files)
  const besides = parts.filter(({ file }) => file !== 'model.onnx')
  const kinds = (['picture', 'sound', 'text', 'table', 'table with texts'] as const).map(kind => {
    const { script, wasm } = readAssets(kind)
    const own = { bytes: Buffer.byteLength(script), gzip: gzipSync(script).length }
    return [kind, { script: own, withWasm: own.gzip + gzipSync(wasm).length }] as const
  })
  const result = {
    ...measuredOn(),
    parts,
    kinds: Object.fromEntries(kinds),
    withoutModel: { bytes: sum(besides, 'bytes'), gzip: sum(besides, 'gzip') },
    singleFile: sizes(single)[0]!,
    model: positionals[0] === undefined ? 'a few operators' : card.architectures.join(', '),
    ...(browserPath && { milliseconds: await times(folder, join(work, 'page.html')) }),
  }
  writeResult('page', result, values)
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function times(folder: string, file: string) {
  const noise = Buffer.from(Array.from({ length: 640 * 480 * 3 }, (_, i) => (i * 7919) % 256))
  const picture = await sharp(noise, { raw: { width: 640, height: 480, channels: 3 } })
    .jpeg()
    .toBuffer()
  const server = await serveFolder(folder)
  try {
    const places = { server: server.url, disk: pathToFileURL(file).href }
    const found = {
      server: { ready: [] as number[], answer: [] as number[] },
      disk: { ready: [] as number[], answer: [] as number[] },
    }
    for (let round = 0; round < rounds; round++)
      for (const place of ['server', 'disk'] as const) {
        const [ready, answer] = await timesOf(places[place], picture)
        found[place].ready.push(Math.round(ready))
        found[place].answer.push(Math.round(answer))
      }
    return { server: figures(found.server), disk: figures(found.disk), load: loadavg()[0] }
  } finally {
    server.close()
  }
}
