/** Uneven classes, three ways: mistakes in rare classes weigh more, or training sees rare classes more often, or easy
 *  pictures weigh less (focal loss). Balanced accuracy is the mean of the accuracies of all classes. Run:
 *  node --import tsx examples/14-imbalance.ts FOLDER */
import { type TrainOptions, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out = 'runs/imbalance'] = process.argv.slice(2)
const ways: Record<string, TrainOptions> = {
  plain: {},
  weights: { classWeights: 'balanced' }, // or `effective`, or one number for each class
  sampling: { sampling: 'balanced' },
  focal: { loss: 'focal' },
}
for (const [name, way] of Object.entries(ways)) {
  const settings = { model: 'tf_efficientnet_lite0' as const, size: 64, epochs: 1, views: 1, out: `${out}-${name}` }
  const { metrics } = await trainFolder(folder, { ...settings, ...way })
  const [accuracy, balanced] = [metrics.accuracy!, metrics.balancedAccuracy!].map(
    share => `${(100 * share).toFixed(1)} %`,
  )
  console.log(`${name}: accuracy ${accuracy}, balanced ${balanced}`)
}
