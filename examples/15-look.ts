/** What the net does, as data: the probabilities of each validation picture, their calibration, test-time augmentation
 *  with mirror images, heat maps, feature maps. Run: node --import tsx examples/15-look.ts FOLDER */
import { mkdirSync, writeFileSync } from 'node:fs'
import { layerFeatures, learner, metrics, mirrorTta } from '../src/index.ts'

const [folder = 'pictures', out = 'looked'] = process.argv.slice(2)
const learn = await learner(folder, 'tf_efficientnet_lite0', { size: 96 })
await learn.fit(2, { lr: 5e-3 })

const { probabilities, logits, targets } = await learn.validate()
const classes = learn.classes.length
const mirrored = await mirrorTta(learn.network, learn.valid!, { objective: learn.options.objective })
const accuracy = (p: ArrayLike<number>) => metrics.accuracy(metrics.argmaxRows(p, classes), targets)
console.log(`accuracy ${accuracy(probabilities).toFixed(3)}, with mirror images ${accuracy(mirrored).toFixed(3)}`)
const { temperature, before, after } = metrics.fitTemperature(logits, targets, classes)
console.log(`temperature ${temperature.toFixed(2)}: loss ${before.toFixed(3)}, then ${after.toFixed(3)}`)

mkdirSync(out, { recursive: true })
for (const [i, { file, actual, of, overlay }] of (await learn.interpret()).heatmaps!.entries()) {
  writeFileSync(`${out}/${i}.jpg`, Buffer.from(overlay, 'base64'))
  console.log(`${out}/${i}.jpg ${file}: ${actual}, heat for ${of}`)
}
const first = learn.valid!.batch(Uint32Array.of(0), 0).x // [1, 3, 96, 96]
for (const { layer, height, width, maps } of layerFeatures(learn.network, first))
  console.log(
    `${layer || 'last layer'} ${height} × ${width}: strongest channels ${maps.map(m => m.channel).join(', ')}`,
  )
