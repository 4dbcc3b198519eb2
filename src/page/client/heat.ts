import { heatColour } from '../../base/heat-colour.ts'

/** The square in the middle of a picture that the net sees; `seen`: its side as a share of the short side. */
export function seenSquare(width: number, height: number, seen: number): { x: number; y: number; side: number } {
  const side = Math.min(width, height) * seen
  return { x: (width - side) / 2, y: (height - side) / 2, side }
}

/** The most colour that a place gets, and how much of the strongest of all classes gets as much. */
const strongest = 0.8
const weakest = 0.3

/** What each place of a picture adds to a class: [rows × columns], 1 at most, below 0 where it speaks against the class. For
 *  classes of which one is right, only what it adds beyond the mean of all classes counts. heat: [classes, rows, columns]. */
export function evidence(
  heat: Float32Array,
  of: number,
  { places, one }: { places: number; one: boolean },
): Float32Array {
  const classes = heat.length / places
  const at = (c: number, i: number) => heat[c * places + i]!
  const base = Float32Array.from({ length: places }, (_, i) => {
    let sum = 0
    if (one) for (let c = 0; c < classes; c++) sum += at(c, i)
    return sum / classes
  })
  let most = 1e-12
  let own = 1e-12
  for (let c = 0; c < classes; c++)
    for (let i = 0; i < places; i++) {
      const value = at(c, i) - base[i]!
      most = Math.max(most, value)
      if (c === of) own = Math.max(own, value)
    }
  const scale = Math.max(own, weakest * most)
  return Float32Array.from({ length: places }, (_, i) => (at(of, i) - base[i]!) / scale)
}

/** Draws where a picture speaks for a class into a canvas that lies over the picture. */
export function drawHeat(
  canvas: HTMLCanvasElement,
  found: Float32Array,
  { rows, columns, seen }: { rows: number; columns: number; seen: number },
): void {
  const small = new ImageData(columns, rows)
  for (const [i, value] of found.entries()) {
    const share = Math.min(1, Math.max(0, value))
    small.data.set([...heatColour(0.35 + 0.65 * share), 255 * strongest * share], 4 * i)
  }
  const source = Object.assign(document.createElement('canvas'), { width: columns, height: rows })
  source.getContext('2d')!.putImageData(small, 0, 0)
  const context = canvas.getContext('2d')!
  const { x, y, side } = seenSquare(canvas.width, canvas.height, seen)
  context.clearRect(0, 0, canvas.width, canvas.height)
  context.save()
  context.beginPath()
  context.rect(x, y, side, side)
  context.clip()
  context.imageSmoothingQuality = 'high'
  context.drawImage(source, x, y, side, side)
  context.restore()
  context.strokeStyle = '#ffffffb0'
  context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1)
}
