/** A piece of markup that is safe to put into a page as it is. Only `html` and `raw` make one. */
export class Html {
  readonly markup: string
  constructor(markup: string) {
    this.markup = markup
  }
}

/** What may stand in an `html` template: text is escaped, markup is kept, lists are joined, nothing is left out. */
export type Piece = string | number | Html | undefined | false | readonly Piece[]

/** Markup from a template, every text in it escaped. */
export const html = (parts: TemplateStringsArray, ...pieces: Piece[]): Html =>
  new Html(parts.reduce((page, part, i) => page + render(pieces[i - 1]) + part))

/** Markup that was escaped elsewhere (a drawn SVG, a style sheet). */
export const raw = (markup: string): Html => new Html(markup)

function render(piece: Piece): string {
  if (piece === undefined || piece === false) return ''
  if (piece instanceof Html) return piece.markup
  if (typeof piece === 'string' || typeof piece === 'number') return escaped(String(piece))
  return piece.map(render).join('')
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const escaped = (text: string) => plain(text).replace(/[&<>"']/g, c => entities[c]!)

/** Text without what neither XML nor a reader can take: control characters, lone surrogates, and marks that turn the
 *  direction of what follows. */
export const plain = (text: string): string =>
  text.replace(/[\t\n\r]/g, ' ').replace(/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu, '\ufffd')

/** At most `most` characters, the middle left out, so that the end of a file name stays. */
export function short(text: string, most = 20): string {
  const letters = [...plain(text)]
  if (letters.length <= most) return letters.join('')
  const head = Math.ceil((most - 1) * 0.6)
  return `${letters.slice(0, head).join('')}…${letters.slice(letters.length - (most - 1 - head)).join('')}`
}
