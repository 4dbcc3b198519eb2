import { OptionError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import type { ChosenInputs, Dataset, Domain, DomainContext, Index, Narrator, Opened } from '../../domain/index.ts'
import type { Computed } from '../../train/measure-kernels.ts'
import { type Body, type Network, network } from '../../train/network.ts'
import { type Objective, objective } from '../../train/objective.ts'
import { usualBatch } from '../../train/usual-plan.ts'
import { beginsFrozen, type RecipeOptions } from '../options.ts'
import { batchThatFits, type Look, looker } from './batch-size.ts'
import { areUneven, balance } from './class-balance.ts'
import { usualDevice } from './device.ts'
import { choosePrecision } from './precision.ts'
import type { Prepared } from './prepared.ts'
import { scaleOfTargets, targetWarnings } from './targets.ts'

/** Standard deviation of the last layer's initial weights over a random body: its outputs begin near 0, so that no
 *  wrong prediction must be unlearned first (torchvision's MobileNetV2). */
const smallStd = 0.01

/** What preparing a run needs: its options, and the callbacks that report its work. */
export type PrepareContext<O = object> = DomainContext<O & RecipeOptions> & { seedShift?: number | undefined }

/** Everything before the first step: data, model, network, precision, inputs. */
export async function prepare<O extends object, B extends Body, P>(
  domain: Domain<O, B, P>,
  path: string,
  context: PrepareContext<O>,
): Promise<Prepared<B, P>> {
  const { options, narrator, seedShift = 0 } = context
  const { seed: splitSeed = 42, device = usualDevice() } = options
  const index = await domain.index(path, { ...options, seed: splitSeed })
  const seed = splitSeed + seedShift
  checkTargets(index)
  const opened = await domain.open(index, { ...context, options: { ...options, seed, device } })
  const { net, look } = buildNet(opened, { options, seed, device })
  const computed = await choosePrecision({
    narrator,
    options,
    modelName: opened.modelName,
    net,
    shape: opened.shape(opened.measuredAt),
    noise: opened.noise && (batch => opened.noise!(opened.measuredAt, batch)),
    others: opened.noise ? [] : opened.sizes.filter(size => size !== opened.measuredAt).map(opened.shape),
    batch: options.batchSize ?? usualBatch(opened.data.of('train').length, options),
    device,
  })
  const chosen = await opened.inputs({ net, ...computed, device, seed })
  narrator.choice(
    'layer groups',
    net.groups.map(g => g.name).join(' | '),
    'from the input to the head; each has its own learning rate',
  )
  const targets = judge(opened.data, { domain, options, narrator })
  return join(domain, opened, { chosen, net, look, computed, targets, device, seed, context })
}

/** Refuses targets that can't be learned, before anything is downloaded. */
function checkTargets({ task, classes, items }: Index): void {
  if (task === 'regression')
    scaleOfTargets(
      classes,
      items.filter(item => item.split === 'train'),
    )
}

/** The body with its new head. */
function buildNet<B extends Body, P>(
  { body, data, modelName }: Opened<B, P>,
  { options, seed, device }: { options: RecipeOptions; seed: number; device: string },
): { net: Network<B>; look: Look } {
  const { hidden, dropout, lr } = options
  const look = looker(modelName, body)
  const net = network(body, data.classes.length, {
    seed,
    device,
    groups: look('groups', () => body.groups),
    ...(hidden ? { hidden } : {}),
    ...(dropout === undefined ? {} : { dropout }),
    ...(beginsFrozen(options) ? {} : { std: smallStd }),
  })
  if (typeof lr === 'object' && lr.length !== 1 && lr.length !== net.groups.length)
    throw new OptionError(
      `${option('lr')}: ${modelName} has ${net.groups.length} layer groups (${net.groups.map(g => g.name).join(', ')}); expected one rate, or one for each group, got ${lr.length}`,
    )
  return { net, look }
}

/** The objective, and the weights of classes and samples. */
function judge(
  data: Dataset,
  { domain, options, narrator }: { domain: Domain; options: RecipeOptions; narrator: Narrator },
): Pick<Prepared, 'objective' | 'classWeights' | 'sampleWeights'> {
  const { task, classes } = data
  const [train, valid, test] = [data.of('train'), data.of('valid'), data.of('test')]
  const scale = task === 'regression' ? { scale: scaleOfTargets(classes, train) } : {}
  if (task === 'regression')
    for (const message of targetWarnings(classes, { train, valid, test }, domain.words))
      narrator.emit({ type: 'warning', message })
  const uneven = areUneven(data.counts.map(c => c.train))
  return {
    objective: objective(task, classes, { loss: options.loss ?? 'auto', uneven, ...scale }),
    ...balance(data, { narrator, options, words: domain.words }),
  }
}

/** Joins the parts into `Prepared`, at any of the sizes. */
function join<O extends object, B extends Body, P>(
  domain: Domain<O, B, P>,
  opened: Opened<B, P>,
  made: {
    chosen: ChosenInputs<P>
    net: Network<B>
    look: Look
    computed: Computed
    targets: { objective: Objective }
    device: string
    seed: number
    context: PrepareContext<O>
  },
): Promise<Prepared<B, P>> {
  const { chosen, net, look, computed, targets, device, seed, context } = made
  const { data, modelName, sizes, testSize, shape, pairs } = opened
  const noise = opened.noise?.bind(opened)
  const { options, narrator } = context
  const { augmentation, plain } = chosen
  const hash = opened.hash.bind(opened)
  const fixed = {
    domain,
    testSize,
    pairs,
    data,
    hash,
    modelName,
    net,
    ...computed,
    augmentation,
    plain,
    device,
    seed,
    sizes,
    ...targets,
  }
  const known = new Map<number, Prepared<B, P>>()
  const at = async (size: number): Promise<Prepared<B, P>> => {
    const before = known.get(size)
    if (before) return before
    const inputs = await chosen.at(size)
    const wanted = options.batchSize ?? usualBatch(data.of('train').length, options)
    // A resumed run must not choose again: another batch size gives other bits.
    const { batchSize, reason } = await narrator.once(`batch ${size}`, () =>
      batchThatFits(net, { wanted, shape: shape(size), noise: noise && (() => noise(size, 1)), look }),
    )
    if (reason !== undefined) narrator.choice('batch', `${batchSize} ${domain.words.many}`, reason)
    const prepared: Prepared<B, P> = { ...fixed, ...inputs, size, batchSize, at }
    known.set(size, prepared)
    return prepared
  }
  return at(sizes[0]!)
}
