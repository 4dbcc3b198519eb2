import { kernelSets, useKernels } from '../torch/index.ts'
import type { Network, Precision } from '../train/network.ts'
import { type Way, waysOf } from '../train/speed.ts'
import type { Narrator } from './context.ts'
import type { TrainOptions } from './options.ts'

/** bfloat16 rounds more, so it has to be worth it. */
const worthRounding = 1.15
/** Own kernels serve unless libtorch's are faster by more than noise. */
const clearlyFaster = 1.1

/** The type of products and whose kernels make them: as asked, else what was fastest when this machine was measured. Own
 *  or libtorch's kernels are then in use. */
export async function choosePrecision({
  session,
  options,
  modelName,
  net,
  channels,
  device,
}: {
  session: Narrator
  options: TrainOptions
  modelName: string
  net: Network
  channels: number
  device: string
}): Promise<Precision> {
  const given = options.precision ?? 'auto'
  if (device !== 'cpu') {
    const precision = given === 'auto' ? 'bfloat16' : given
    session.choice('precision', precision, given === 'auto' ? 'on a GPU it is faster than float32' : 'as asked')
    return precision
  }
  const ways = await session.once('speed', () => waysOf(modelName, net, channels))
  const rates = ways.map(w => `${name(w)} ${w.rate.toFixed(0)}`).join(', ')
  const best = (precision: Precision): Way | undefined => {
    const [own, aten] = (['own', 'aten'] as const).map(k =>
      ways.find(w => w.precision === precision && w.kernels === k),
    )
    return own && aten && aten.rate > clearlyFaster * own.rate ? aten : (own ?? aten)
  }
  const [wide, half] = [best('float32'), best('bfloat16')]
  const precision =
    given !== 'auto' ? given : half && wide && half.rate > worthRounding * wide.rate ? 'bfloat16' : 'float32'
  // A net without layers for own kernels has none to choose; other parts of the way to it have.
  const kernels = ways.some(w => w.kernels === 'own') ? best(precision)!.kernels : undefined
  useKernels(process.env.ANNEAL_KERNELS === 'aten' ? 'aten' : (kernels ?? 'own'))
  const measured = `measured, images/s through the body: ${rates}`
  session.choice(
    'precision',
    `${precision}, ${kernels === 'own' ? `own kernels (${kernelSets(precision)[0]})` : "libtorch's kernels"}`,
    given !== 'auto' ? `as asked; ${measured}` : half ? measured : `no instructions for bfloat16 here; ${measured}`,
  )
  return precision
}

const name = ({ precision, kernels }: Way) => `${precision} ${kernels === 'own' ? 'own' : 'libtorch'}`
