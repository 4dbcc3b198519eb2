/** A callback is a plain object. This one prints each epoch, and stops when the validation loss is low enough.
 *  Run: node --import tsx examples/04-callback.ts FOLDER */
import { type Callback, learner } from '../src/index.ts'

const goodEnough = (loss: number): Callback => ({
  afterEpoch: ({ epoch, validLoss, accuracy }) => {
    console.log(`epoch ${epoch}: loss ${validLoss.toFixed(3)}, accuracy ${(100 * accuracy).toFixed(1)} %`)
    return validLoss < loss ? 'stop' : undefined
  },
})

const learn = await learner(process.argv[2] ?? 'pictures', 'tf_efficientnet_lite0', {
  size: 96,
  callbacks: [goodEnough(0.9)],
})
await learn.fit(3, { lr: 3e-3 })
