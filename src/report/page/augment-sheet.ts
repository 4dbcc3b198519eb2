import { prepareFonts } from '../fonts.ts'
import { html, short } from './html.ts'

/** Pictures in a row: square, 8-bit RGB, [side, side, 3] each. */
export interface SheetRow {
  caption: string
  tiles: readonly Uint8Array[]
}

/** A contact sheet: what stands above it and above its columns, and the side of its pictures in pixels. */
export interface Sheet {
  title: string
  columns: readonly string[]
  rows: readonly SheetRow[]
  side: number
}

const [margin, gap, line] = [16, 8, 20] // px
/** The largest side that a picture is shown at, in pixels. */
const largest = 224
const letter = 7 // width in px of a letter, on average

/** Draws a contact sheet on white: a caption above each row, a heading above each column. PNG or JPEG. */
export async function drawSheet(
  { title, columns, rows, side }: Sheet,
  { format = 'png' }: { format?: 'png' | 'jpeg' } = {},
): Promise<Buffer> {
  prepareFonts()
  const { default: sharp } = await import('sharp')
  const shown = Math.min(side, largest)
  const head = margin + line + 2 * gap + line // the first row's caption begins there
  const width = Math.max(2 * margin + columns.length * (shown + gap) - gap, 400)
  const rowHeight = line + shown + gap
  const height = head + rows.length * rowHeight + margin
  const at = (row: number, column: number) => ({
    left: margin + column * (shown + gap),
    top: head + row * rowHeight + line,
  })
  const text = (words: string, x: number, y: number, room: number, weight = 400) =>
    html`<text x="${x}" y="${y}" font-weight="${weight}">${short(words, Math.max(4, Math.floor(room / letter)))}</text>`
  const letters = html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"
    font-family="system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', sans-serif" font-size="13" fill="#1c2128">
    ${text(title, margin, margin + 14, width - 2 * margin, 600)}
    ${columns.map((name, c) => text(name, at(0, c).left, head - gap, shown))}
    ${rows.map(({ caption }, r) => text(caption, margin, at(r, 0).top - 5, width - 2 * margin))}</svg>`
  const tiles = await Promise.all(
    rows.flatMap((row, r) =>
      row.tiles.map(async (data, c) => {
        const tile = sharp(data, { raw: { width: side, height: side, channels: 3 } })
        return { input: await tile.resize(shown, shown).png().toBuffer(), ...at(r, c) }
      }),
    ),
  )
  const sheet = sharp({ create: { width, height, channels: 3, background: 'white' } }).composite([
    ...tiles,
    { input: Buffer.from(letters.markup), left: 0, top: 0 },
  ])
  return format === 'png' ? sheet.png().toBuffer() : sheet.jpeg({ quality: 90 }).toBuffer()
}
