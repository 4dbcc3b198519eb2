import type { FeatureLayer } from '../../runs/index.ts'
import type { FeatureMap, LayerFeatures } from './feature-maps.ts'

/** Feature maps as a run keeps them: at most `side` values high and wide, each the mean of a block, in base64. */
export function keptMaps({ maps, height, width, ...layer }: LayerFeatures, { side = 64 } = {}): FeatureLayer {
  const block = Math.ceil(Math.max(height, width) / side)
  const [rows, columns] = [Math.ceil(height / block), Math.ceil(width / block)]
  const kept = ({ data, ...map }: FeatureMap) => ({
    ...map,
    data: Buffer.from(blockMeans(data, { height, width, block })).toString('base64'),
  })
  return { ...layer, height, width, rows, columns, maps: maps.map(kept) }
}

function blockMeans(
  data: Uint8Array,
  { height, width, block }: { height: number; width: number; block: number },
): Uint8Array {
  const columns = Math.ceil(width / block)
  const [sums, counts] = [0, 0].map(() => new Float64Array(Math.ceil(height / block) * columns))
  for (const [i, v] of data.entries()) {
    const at = Math.floor(Math.floor(i / width) / block) * columns + Math.floor((i % width) / block)
    sums![at]! += v
    counts![at]!++
  }
  return Uint8Array.from(sums!, (sum, at) => Math.round(sum / counts![at]!))
}
