import type { PlotOptions } from '@observablehq/plot'
import { plain } from '../page/html.ts'

/** A drawn chart. `inline` follows the page's colours, light or dark; `file` stands alone on white. Both are SVG;
 *  `name` is that of its file, `alt` says in words what it shows. */
export type Chart = { name: string; title: string; alt: string; note?: string; inline: string; file: string }

/** An entry of the legend, with the sign that the chart draws. */
export type Key = { label: string; color: string; sign: 'line' | 'dash' | 'dot' | 'ring' }

/** A chart without its marks. A `wide` chart is too large for half a page. */
export type Drawing = Omit<PlotOptions, 'title'> & {
  name: string
  title: string
  alt: string
  note?: string
  keys?: Key[]
}

/** Plot with a drawing board to draw on. */
export type Kit = { Plot: typeof import('@observablehq/plot'); draw(drawing: Drawing): Chart }

/** Colours by purpose: a variable of the page, and what a file takes instead. */
export const ink = {
  text: 'currentColor',
  soft: 'var(--soft, #5f6b7a)',
  line: 'var(--line, #dde2e8)',
  good: 'var(--good, #1a7f5a)',
  bad: 'var(--bad, #c2410c)',
  on: 'var(--on, #ffffff)',
  paper: 'var(--paper, #ffffff)',
}

/** Colours of lines that must be told apart, in order. */
export const hues = [
  'var(--hue1, #2563eb)',
  'var(--hue2, #d9480f)',
  'var(--hue3, #0f8a6d)',
  'var(--hue4, #9333c9)',
  'var(--hue5, #b7791f)',
  'var(--hue6, #c2255c)',
]

const fontSize = 12.5
const letter = 7 // width in px of a letter at this size, on average
const rowHeight = 18
const namespace = 'http://www.w3.org/2000/svg'

/** The width in px of a text in a chart, about. */
export const textWidth = (text: string): number => [...text].length * letter

/** Loads Plot and linkedom, which only drawing needs. */
export async function loadPlot(): Promise<Kit> {
  const [Plot, { DOMParser }] = await Promise.all([import('@observablehq/plot'), import('linkedom')])
  // An XML document, because it escapes attributes as a file needs it; an HTML one leaves < in them.
  const document = new DOMParser().parseFromString(`<svg xmlns="${namespace}"/>`, 'image/svg+xml')
  const element = (name: string, attributes: Record<string, string | number>, text?: string) => {
    const made = document.createElementNS(namespace, name, undefined)
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
    if (text !== undefined) made.textContent = plain(text)
    return made
  }

  function draw({ name, title, alt, note, keys = [], ...options }: Drawing): Chart {
    const { width = 430, height = 280, marginTop = 16, marginLeft = 52 } = options
    const places = legendPlaces(keys, 8, width)
    const legendHeight = places.length === 0 ? 0 : (places.at(-1)!.row + 1) * rowHeight + 6
    const svg = Plot.plot({
      marginLeft,
      marginRight: 14,
      marginBottom: 40,
      ...options,
      document: document as never,
      className: 'chart',
      width,
      height: height + legendHeight,
      marginTop: marginTop + legendHeight,
    }) as unknown as ReturnType<typeof element>
    for (const style of svg.querySelectorAll('style')) style.remove()
    for (const [key, value] of Object.entries({
      xmlns: namespace,
      role: 'img',
      'font-size': fontSize,
      'aria-label': alt,
    }))
      svg.setAttribute(key, plain(String(value)))
    for (const { key, x, row } of places) {
      const y = 12 + row * rowHeight
      svg.append(sign(key, x, y), element('text', { x: x + 24, y, dy: '0.35em', 'text-anchor': 'start' }, key.label))
    }
    const inline = plain(String(svg)) // no control character in the names of classes may reach a file
    svg.prepend(element('rect', { width: '100%', height: '100%', fill: '#ffffff' }))
    svg.setAttribute('color', '#1c2128')
    for (const node of svg.querySelectorAll('[fill],[stroke]'))
      for (const key of ['fill', 'stroke']) {
        const value = node.getAttribute(key)
        if (value?.startsWith('var(')) node.setAttribute(key, value.slice(value.indexOf('#'), -1))
      }
    return {
      name,
      title,
      alt: plain(alt),
      ...(note === undefined ? {} : { note }),
      inline,
      file: `${plain(String(svg))}\n`,
    }
  }

  function sign({ sign, color }: Key, x: number, y: number) {
    if (sign === 'line' || sign === 'dash') {
      const dash: Record<string, string> = sign === 'dash' ? { 'stroke-dasharray': '3 3' } : {}
      return element('line', { x1: x, x2: x + 18, y1: y, y2: y, stroke: color, 'stroke-width': 2, ...dash })
    }
    const paint: Record<string, string | number> =
      sign === 'dot' ? { fill: color } : { fill: ink.paper, stroke: color, 'stroke-width': 2 }
    return element('circle', { cx: x + 9, cy: y, r: 4.5, ...paint })
  }

  return { Plot, draw }
}

/** Puts the entries in rows from `left` on, as many in each as `width` px hold. */
function legendPlaces(keys: readonly Key[], left: number, width: number): { key: Key; x: number; row: number }[] {
  let x = left
  let row = 0
  return keys.map(key => {
    const needs = 24 + textWidth(key.label)
    if (x > left && x + needs > width) {
      x = left
      row++
    }
    const place = { key, x, row }
    x += needs + 14
    return place
  })
}
