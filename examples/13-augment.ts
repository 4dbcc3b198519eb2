/** Augmentation: Anneal tests which changes suit the pictures, and draws a sheet of them. Then it trains with these and a
 *  few more. Run: node --import tsx examples/13-augment.ts FOLDER */
import { writeFileSync } from 'node:fs'
import { augmentSheet, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out, sheet = 'augment.png'] = process.argv.slice(2)
const model = 'tf_efficientnet_lite0'
const { image, augmentation, sense } = await augmentSheet(folder, { augment: 'auto', model, size: 96 })
writeFileSync(sheet, image) // each row: the plain picture, then as training would see it
for (const { change, chosen, reason } of sense!.rows) console.log(change, chosen ? 'yes' : 'no', reason)

const { metrics } = await trainFolder(folder, {
  augment: { ...augmentation, maxLighting: 0.2, erase: 0.25 }, // or text: 'auto', 'top-down,erase=0.25'
  mixup: 0.4,
  cutmix: 1, // each batch gets MixUp or CutMix at random
  model,
  size: 96,
  epochs: 1,
  out,
})
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)
