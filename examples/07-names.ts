/** Labels that file names tell, as in `fish_P001_2.jpeg`: by a function, or by a regular expression. Pictures of one group
 *  (a patient, a day) stay on one side of the split. Run: node --import tsx examples/07-names.ts FOLDER */
import { indexPictures, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)

// Nothing is decoded yet: a look at what an expression finds.
const { classes, items, problems } = await indexPictures(folder, { labelRegex: /^([a-z ]+)_/ })
console.log(`${items.length} pictures of ${classes.join(', ')}; ${problems.length} problems`)

const { metrics } = await trainFolder(folder, {
  labelOf: file => file.split('/').at(-1)!.split('_')[0], // undefined would leave the picture out
  groupRegex: /_([A-Z]\d+)_/,
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 0, // the head alone
  out,
})
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)
