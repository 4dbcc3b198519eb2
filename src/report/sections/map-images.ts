import type { FeatureLayer } from '../../runs/index.ts'

type Shape = Pick<FeatureLayer, 'rows' | 'columns'>

/** Under which a map's picture is found among those of the page. */
export const mapKey = ({ rows, columns }: Shape, data: string): string => `${rows} × ${columns} ${data}`

/** The maps that hold what they say: layers without one are left out. */
export function soundMaps(layers: readonly FeatureLayer[]): FeatureLayer[] {
  const whole = ({ rows, columns }: Shape, data: unknown) =>
    [rows, columns].every(side => Number.isInteger(side) && side > 0 && side <= 512) &&
    typeof data === 'string' &&
    Buffer.from(data, 'base64').length === rows * columns
  return layers
    .map(layer => ({ ...layer, maps: layer.maps.filter(map => whole(layer, map.data)).slice(0, 12) }))
    .filter(layer => layer.maps.length > 0)
}

/** A map as a PNG in a data URI, a pixel a value. */
export async function mapPicture({ rows, columns }: Shape, data: string): Promise<string> {
  const { default: sharp } = await import('sharp')
  const grey = sharp(Buffer.from(data, 'base64'), { raw: { width: columns, height: rows, channels: 1 } })
  return `data:image/png;base64,${(await grey.toColourspace('b-w').png().toBuffer()).toString('base64')}`
}
