import { heatColour } from '../../base/heat-colour.ts'

/** The square in the middle of a picture that the net sees; `seen`: its side as a share of the short side. */
export function seenSquare(width: number, height: number, seen: number): { x: number; y: number; side: number } {
  const side = Math.min(width, height) * seen
  return { x: (width - side) / 2, y: (height - side) / 2, side }
}

/** The most colour that a place gets. */
const strongest = 0.75

/** Draws where a picture adds to a class into a canvas that lies over the picture. heat: [classes, rows, columns]; colours
 *  are on one scale for all classes. */
export function drawHeat(
  canvas: HTMLCanvasElement,
  { heat, rows, columns, of, seen }: { heat: Float32Array; rows: number; columns: number; of: number; seen: number },
): void {
  const places = rows * columns
  const most = heat.reduce((most, v) => Math.max(most, v), 1e-12)
  const small = new ImageData(columns, rows)
  for (let i = 0; i < places; i++) {
    const share = Math.max(0, heat[of * places + i]! / most)
    small.data.set(heatColour(share), 4 * i)
    small.data[4 * i + 3] = 255 * strongest * Math.sqrt(share)
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
