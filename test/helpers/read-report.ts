import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { parseHTML } from 'linkedom'
import sharp from 'sharp'
import { writeReport } from '../../src/report/index.ts'
import { type Made, makeRun } from './report.ts'

/** A folder for the runs of a test file. It is removed at the end. */
export const root = mkdtempSync(join(tmpdir(), 'anneal-report-'))
after(() => rmSync(root, { recursive: true, force: true }))
let made = 0

/** A JPEG picture of one colour. */
export const picture = async (i: number, side = 64): Promise<Buffer> =>
  sharp({ create: { width: side, height: side, channels: 3, background: { r: (40 * i) % 256, g: 90, b: 160 } } })
    .jpeg()
    .toBuffer()

/** The report of an artificial run: its markup, its elements, its folder. */
export async function report(options: Made = {}, spoil: (dir: string) => void = () => {}) {
  const dir = join(root, `run-${made++}`)
  makeRun(dir, options)
  spoil(dir)
  await writeReport(dir)
  const markup = readFileSync(join(dir, 'report.html'), 'utf8')
  const { document } = parseHTML(markup)
  const text = document.body.textContent.replace(/\s+/g, ' ')
  const tiles = [...document.querySelectorAll('.tile')].map(t => t.textContent.replace(/\s+/g, ' ').trim())
  const plots = existsSync(join(dir, 'plots')) ? readdirSync(join(dir, 'plots')).sort() : []
  return { dir, markup, document, text, tiles, plots }
}

/** Asserts that nothing in the page makes a browser load anything, and that the page runs no code. */
export function assertSelfContained(document: ReturnType<typeof parseHTML>['document'], markup: string): void {
  for (const element of document.querySelectorAll('*')) {
    assert.doesNotMatch(element.tagName, /^(script|iframe|object|embed|base|form|foreignObject)$/i)
    for (const { name, value } of element.attributes) {
      assert.doesNotMatch(name, /^on/i, `${element.tagName} has a handler`)
      if (/^(src|href|xlink:href|srcset|data|poster|action)$/.test(name)) assert.match(value, /^(#[\w-]+$|data:)/)
      assert.doesNotMatch(value, /url\(\s*(?!["']?#)/)
    }
  }
  const style = document.querySelector('style')!.textContent
  assert.doesNotMatch(style, /url\(|@import|https?:/)
  assert.doesNotMatch(markup.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//)
  assert.match(document.querySelector('meta[http-equiv]')!.getAttribute('content')!, /^default-src 'none'/)
}
