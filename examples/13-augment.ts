/** How training pictures are changed: what makes sense for them is found out, looked at, and made more of by hand.
 *  Run: node --import tsx examples/13-augment.ts FOLDER */
import { writeFileSync } from 'node:fs'
import { augmentSheet, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out, sheet = 'augment.png'] = process.argv.slice(2)
const model = 'tf_efficientnet_lite0'
const { image, augmentation, sense } = await augmentSheet(folder, { augment: 'auto', model, size: 96 })
writeFileSync(sheet, image) // a row a picture: plain, then as epochs would see it
for (const { change, chosen, reason } of sense!.rows) console.log(change, chosen ? 'yes' : 'no', reason)

const { metrics } = await trainFolder(folder, {
  augment: { ...augmentation, maxLighting: 0.2, erase: 0.25 }, // or text: 'auto', 'top-down,erase=0.25'
  mixup: 0.4,
  cutmix: 1, // a coin decides between the two
  model,
  size: 96,
  epochs: 1,
  out,
})
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)
