import { basename } from 'node:path'
import { thumbnailText } from '../../runs/index.ts'
import type { Chart } from '../charts/plot.ts'
import { Html, html, type Piece, raw } from './html.ts'

/** A section with its heading; nothing where it has no content. */
export const section = (id: string, title: string, ...content: (Html | undefined | false)[]): Html | undefined => {
  const there = content.filter(c => c instanceof Html)
  return there.length > 0
    ? html`<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${title}</h2>${there}</section>`
    : undefined
}

/** A card with a heading. */
export const card = (title: string, ...content: Piece[]): Html =>
  html`<div class="card"><h3>${title}</h3>${content}</div>`

/** A chart as a card; `large` keeps its size and lets it be scrolled. */
export const figure = (chart: Chart | undefined, { large = false } = {}): Html | undefined =>
  chart &&
  html`<figure class="card"><figcaption>${chart.title}</figcaption>
<div${large && raw(' class="large" tabindex="0"')}>${raw(chart.inline)}</div>${chart.note !== undefined && html`<p class="note">${chart.note}</p>`}</figure>`

/** Cards side by side where there is room. */
export const pair = (...cards: (Html | undefined | false)[]): Html | undefined => {
  const there = cards.filter(c => c instanceof Html)
  return there.length > 1 ? html`<div class="pair">${there}</div>` : there[0]
}

/** A column of a table; `n` for numbers, which stand right. */
export type Column = { title: string; n?: boolean }

/** A table; rows behind `most` are folded away, and beyond a thousand only counted. */
export function table(
  columns: readonly Column[],
  rows: readonly { cells: Piece[]; best?: boolean }[],
  most = 15,
): Html {
  const head = columns.map(({ title, n }) => html`<th scope="col"${n && raw(' class="n"')}>${title}</th>`)
  const body = (part: typeof rows) =>
    html`<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${part.map(
      ({ cells, best }) =>
        html`<tr${best && raw(' class="best"')}>${cells.map((cell, i) => html`<td${columns[i]?.n && raw(' class="n"')}>${cell}</td>`)}</tr>`,
    )}</tbody></table></div>`
  if (rows.length <= most * 1.3) return body(rows)
  const rest = rows.slice(most, 1000)
  const more = rows.length - 1000
  return html`${body(rows.slice(0, most))}<details><summary>${rest.length.toLocaleString('en-US')} more</summary>${body(rest)}${
    more > 0 && html`<p class="note">and ${more.toLocaleString('en-US')} more; events.jsonl lists all</p>`
  }</details>`
}

/** Names and values, a row each; values that are no text are written as JSON. */
export const facts = (values: Iterable<readonly [string, unknown]>): Html =>
  html`<div class="scroll"><table class="facts"><tbody>${[...values].map(
    ([name, value]) => html`<tr><td>${name}</td><td>${value instanceof Html ? value : said(value)}</td></tr>`,
  )}</tbody></table></div>`

function said(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.every(v => typeof v !== 'object')) return value.join(', ')
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return value === undefined || value === null ? '–' : JSON.stringify(value)
}

/** A name from the user's files, whose letters may run from right to left; a long one may be broken at its underscores. */
export function name(text: unknown): Html {
  const said = typeof text === 'string' ? text : String(text ?? '')
  const parts = said.split(/(?<=_)(?=[^_])/).map((part, i) => html`${i > 0 && html`<wbr>`}${part}`)
  return /\S{25}/.test(said) ? html`<bdi class="long">${parts}</bdi>` : html`<bdi>${parts}</bdi>`
}

/** The pictures of a page as data URIs, by what stands for them in the run's files. */
export type Loaded = ReadonlyMap<string, string>

/** A picture of the run, a text, or a field where one is missing. */
export const image = (thumbnail: string, alt: string, pictures: Loaded): Html => {
  const text = thumbnailText(thumbnail)
  if (text !== undefined) return html`<blockquote class="quoted"><bdi>${text}</bdi></blockquote>`
  const uri = pictures.get(thumbnail)
  return uri
    ? html`<img src="${uri}" alt="${alt}">`
    : html`<div class="gone" role="img" aria-label="${alt}">no picture</div>`
}

/** A file's name under its picture, the whole path for those who point at it. */
export const fileName = (file: unknown): Html =>
  html`<span class="file" title="${String(file ?? '')}"><bdi>${basename(String(file ?? ''))}</bdi></span>`
