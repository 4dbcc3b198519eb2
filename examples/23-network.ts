/** A network of your own over a folder of pictures: `imageModel` makes one of named children, what runs them, and the
 *  number of channels of its last map. Layer groups for freezing and learning rates are found by running it.
 *  Run: node --import tsx examples/23-network.ts FOLDER */
import { imageModel, learner, type ModelOptions } from '../src/index.ts'
import { nn } from '../src/torch/index.ts'

const block = (cin: number, cout: number) =>
  nn.sequential(
    nn.conv2d(cin, cout, 3, { stride: 2, padding: 1, bias: false }),
    nn.batchNorm2d(cout),
    nn.layer(x => x.relu(), 'ReLU'),
  )

/** Three blocks, each halving the picture. `learner` puts its head on the last map, with weights from `weights: FILE`. */
function tiny({ channels = 3 }: ModelOptions) {
  const m = { block1: block(channels, 16), block2: block(16, 32), block3: block(32, 64) }
  return imageModel(m, { features: x => x.pipe(m.block1, m.block2, m.block3), numFeatures: 64, channels })
}

const learn = await learner(process.argv[2] ?? 'pictures', tiny, { size: 32, precision: 'float32' })
console.log(`layer groups: ${learn.groups.join(', ')}`)
const history = await learn.fit(1, { cycleLen: 6, lr: 1e-2, schedule: 'one-cycle' })
console.log(`valid accuracy ${(100 * history.at(-1)!.accuracy).toFixed(1)} %`)
const picture = learn.data.items[0]!.file
console.log(await learn.predict(picture))
