/** Trains on small pictures first, then on larger ones from the best weights. Most epochs are fast, and the last ones
 *  see detail. `onEvent` receives everything that happens during the run. Run:
 *  node --import tsx examples/09-sizes.ts FOLDER */
import { type RunEvent, readRun, trainFolder } from '../src/index.ts'

const [folder = 'pictures', out] = process.argv.slice(2)
const onEvent = (event: RunEvent) => {
  if (event.type === 'phase' && event.epochs) console.log(`${event.phase} at ${event.size} px: ${event.epochs} epochs`)
}
const { run } = await trainFolder(
  folder,
  { sizes: [64, 96], model: 'tf_efficientnet_lite0', epochs: 1, cycleLen: 1, out },
  { onEvent },
)
for (const { size, accuracy } of readRun(run).interpret!.sizes!)
  console.log(`${size} px: valid accuracy ${(100 * accuracy).toFixed(1)} %`)
