/** Labels from file names such as `fish_P001_2.jpeg`, by a function or a regular expression. All pictures of a group (a
 *  patient, a day) stay on the same side of the split. Run: node --import tsx examples/07-names.ts FOLDER */
import { indexPictures, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)

// Shows what the expression finds, without decoding a picture.
const { classes, items, problems } = await indexPictures(folder, { labelRegex: /^([a-z ]+)_/ })
console.log(`${items.length} pictures of ${classes.join(', ')}; ${problems.length} problems`)

const { metrics } = await trainFolder(folder, {
  labelOf: file => file.split('/').at(-1)!.split('_')[0], // `undefined` leaves the picture out
  groupRegex: /_([A-Z]\d+)_/,
  model: 'tf_efficientnet_lite0',
  size: 96,
  epochs: 0, // trains the head only
  out,
})
console.log(`valid accuracy ${(100 * metrics.accuracy!).toFixed(1)} %`)
