/** How training pictures are changed: a preset and what differs from it, pictures mixed in pairs, and a look at what the
 *  net sees. Run: node --import tsx examples/13-augment.ts FOLDER */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRun, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)
const { run, accuracy } = await trainFolder(folder, {
  augment: { preset: 'top-down', maxWarp: 0.2, maxLighting: 0.2, erase: 0.25 }, // as text: top-down,maxWarp=0.2,…
  mixup: 0.4,
  cutmix: 1, // a coin decides between the two
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 1,
  out,
})
console.log(`valid accuracy ${(100 * accuracy).toFixed(1)} %`)

mkdirSync(join(run, 'seen'))
for (const [i, { label, thumbnail }] of readRun(run).interpret!.samples.entries()) {
  writeFileSync(join(run, 'seen', `${i}.jpg`), Buffer.from(thumbnail, 'base64'))
  console.log(`seen/${i}.jpg ${label}`)
}
