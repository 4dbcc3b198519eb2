/** Any number of channels, with 8 bits, 16 bits or floats. They come from one file (TIFF, npy), or each from a file of
 *  its own (`7_DAPI.tif`, `7_GFP.tif`). Anneal adapts the pretrained first convolution to them. Run:
 *  node --import tsx examples/08-channels.ts FOLDER _DAPI,_GFP */
import { loadClassifier, trainFolder } from '../src/index.ts'

const [folder = 'cells', endings, out] = process.argv.slice(2)
const { run, metrics } = await trainFolder(folder, {
  channels: 'keep', // `auto` chooses; `copy` uses up to three as colours; `rgb` converts
  channelFiles: endings?.split(','),
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 1,
  out,
})
const { channels, mean } = loadClassifier(run).preprocessing
console.log(`${channels} channels, mean ${mean.map(v => v.toFixed(3)).join(', ')}`)
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)
