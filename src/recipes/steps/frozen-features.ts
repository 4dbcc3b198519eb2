import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TrainingError } from '../../base/errors.ts'
import { cacheFolder } from '../../base/files.ts'
import type { Item } from '../../data/types.ts'
import type { Ranks } from '../../ranks/ranks.ts'
import { kernelSetInUse, kernelSets, kernelsInUse, library, scope } from '../../torch/index.ts'
import { computeFeatures } from '../../train/features.ts'
import { computeBy } from '../../train/measure-kernels.ts'
import type { Precision } from '../../train/network.ts'
import type { Source } from '../../train/source.ts'
import { readMetadata, readWeights, writeSafetensors } from '../../weights/index.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import { PartFile } from './part-file.ts'

/** The outputs of the frozen body for the samples. */
export interface Features {
  /** The plain view first, then the augmented ones: [views × N, F]. */
  train: Float32Array
  valid: Float32Array
  views: number
}

/** The most memory for features, in bytes. */
const featureBytes = 1.5e9

/** Features of the frozen body: of the training samples plain and in `views` augmented forms, of the validation samples
 *  plain. They are cached on the disk; the key contains everything that they depend on. */
export async function frozenFeatures(prepared: Prepared, context: Context): Promise<Features> {
  const done = computeBy(prepared.by.frozen)
  try {
    return await computedFeatures(prepared, context)
  } finally {
    done()
  }
}

async function computedFeatures(
  prepared: Prepared,
  { session, options, progress, signal }: Context,
): Promise<Features> {
  const { net, source, precision, batchSize, plain: plainly } = prepared
  const [train, valid] = [source('train'), source('valid')]
  const width = net.body.pooledFeatures
  const room = Math.floor(featureBytes / (4 * width * train.count)) - 1
  const untrained = options.pretrained === false
  const wanted = options.views ?? (plainly || untrained ? 0 : 4)
  const views = Math.max(0, Math.min(wanted, room))
  session.choice(
    'views',
    String(views),
    views < wanted
      ? 'as many augmented views of each sample as memory allows'
      : options.views !== undefined
        ? 'as asked'
        : views === 0
          ? plainly
            ? 'nothing is augmented'
            : 'features of a body with random weights are of little use, augmented or not'
          : 'augmented views of each sample; the frozen body computes each of them once',
  )
  // Without augmentation the features do not depend on the split, so the folds of a run share them.
  const both = views === 0 ? prepared.both?.() : undefined
  const key = featureKey(prepared, views, both?.items.map(prepared.hash))
  const path = join(cacheFolder('features'), `${key}.safetensors`)
  const { ranks } = session
  const cached = (): Features | undefined => {
    if (!existsSync(path)) return undefined
    try {
      const stored = readWeights(path)
      const floats = (name: string) => floatsOf(stored.get(name)!.data)
      const all = both && floats('all')
      if (all && all.length !== both.count * width) throw new TrainingError('of another width')
      const found = all ? divided(prepared, all, both.items) : { train: floats('train'), valid: floats('valid'), views }
      if (readMetadata(path).key === key && found.train.length === (views + 1) * train.count * width) {
        session.emit({
          type: 'line',
          text: `features: read from the cache (an earlier run ${both ? 'or fold ' : ''}had the same data, weights and views)`,
        })
        return found
      }
    } catch {
      session.warn(`${path}: the cached features can't be read and are computed again`)
    }
    return undefined
  }
  const known = await featuresOfFirst(ranks, cached)
  if (known) return known
  const total = both ? both.count : (views + 1) * train.count + valid.count
  // Rows are written to the disk as they are made: a run that was stopped or killed goes on after them.
  const part = new PartFile(join(session.run.paths.resume, 'features.part'), key)
  const all = new Float32Array(total * width)
  const there = await ranks.fromFirst('features there', () => part.read(all, width))
  if (there > 0)
    all.set(
      floatsOf(
        ranks.bytesOfFirst(ranks.isFirst ? bytesOf(all.subarray(0, there * width)) : undefined, 4 * there * width),
      ),
    )
  if (there > 0)
    session.emit({
      type: 'line',
      text: `features: ${there} of ${total} were computed before the run was stopped, and are used`,
    })
  let made = there
  const stands = () => session.stands(`the features of ${made} of ${total} views`)
  stands()
  let before = 0
  const frozen = {
    batchSize: Math.max(batchSize, 32),
    precision,
    signal,
    ranks,
    onBatch: (done: number) => progress('features', before + done, total),
    onRows(rows: Float32Array, count: number) {
      if (ranks.isFirst) part.add(rows, count)
      made += count
      stands()
    },
  }
  const compute = async (samples: Source, views: number) => {
    const count = views * samples.count
    const known = all.subarray(before * width, Math.min(before + count, Math.max(before, there)) * width)
    all.set(await computeFeatures(net, samples, { ...frozen, views, known }), before * width)
    before += count
  }
  try {
    if (both) await compute(both, 1)
    else {
      await compute(train, 1)
      if (views > 0) await compute(source('train', { augmented: true }), views)
      await compute(valid, 1)
    }
  } finally {
    part.close()
  }
  const features = both
    ? divided(prepared, all, both.items)
    : {
        train: all.subarray(0, (views + 1) * train.count * width),
        valid: all.subarray((views + 1) * train.count * width),
        views,
      }
  if (!ranks.isFirst) return features
  try {
    const stored = (f: Float32Array) => ({
      dtype: 'float32' as const,
      shape: [f.length / width, width],
      data: bytesOf(f),
    })
    const parts: [string, Float32Array][] = both
      ? [['all', all]]
      : [
          ['train', features.train],
          ['valid', features.valid],
        ]
    writeSafetensors(path, new Map(parts.map(([name, f]) => [name, stored(f)])), { key })
    part.drop()
  } catch {
    // With a full disk the next run computes the features again; this run still has its own file.
  }
  return features
}

const bytesOf = (f: Float32Array) => new Uint8Array(f.buffer, f.byteOffset, f.byteLength)

/** The features that the first rank has, on all ranks; undefined if it has none. */
async function featuresOfFirst(ranks: Ranks, cached: () => Features | undefined): Promise<Features | undefined> {
  if (ranks.alone) return cached()
  const own = ranks.isFirst ? cached() : undefined
  const sizes = await ranks.fromFirst('cached features', () =>
    own ? { train: own.train.byteLength, valid: own.valid.byteLength, views: own.views } : null,
  )
  if (!sizes) return undefined
  const part = (name: 'train' | 'valid') => floatsOf(ranks.bytesOfFirst(own && bytesOf(own[name]), sizes[name]))
  return { train: part('train'), valid: part('valid'), views: sizes.views }
}

/** The features of each part, from those of all its samples. */
function divided({ source, hash, net }: Prepared, all: Float32Array, items: readonly Item[]): Features {
  const width = net.body.pooledFeatures
  const row = new Map(items.map((item, i) => [hash(item), i]))
  const of = (part: readonly Item[]) => {
    const out = new Float32Array(part.length * width)
    for (const [i, item] of part.entries()) {
      const at = row.get(hash(item))! * width
      out.set(all.subarray(at, at + width), i * width)
    }
    return out
  }
  return { train: of(source('train').items), valid: of(source('valid').items), views: 0 }
}

/** The float32 numbers in these bytes; copied only if they are not aligned. */
function floatsOf(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes)
  return new Float32Array(buffer, byteOffset, byteLength / 4)
}

/** The version of the rounding of own kernels and of the sizes that samples are fitted to; change it whenever these change. */
const rounding = 3

/** The set of own kernels, if it is not the default one. */
function setOf(precision: Precision): { set?: string } {
  const type = precision === 'float16' ? 'float32' : precision
  const set = kernelSetInUse(type)
  return set === undefined || set === kernelSets(type)[0] ? {} : { set }
}

/** Changes with the samples, their split (unless `together` lists the samples of all parts), the body's weights, the views and how they are computed. */
function featureKey(
  { data, net, preprocessing, augmentation, precision, seed, modelName, batchSize, device }: Prepared,
  views: number,
  together?: readonly string[],
): string {
  const hash = createHash('sha256').update(
    JSON.stringify({
      // Other threads, instructions or batch sizes round differently, and a resumed run must see the same bits.
      engine: { ...library(), batchSize, device, kernels: kernelsInUse(), ...setOf(precision), rounding },
      modelName,
      ...(together ? { together, width: net.body.pooledFeatures } : { fingerprint: data.fingerprint, seed }),
      preprocessing,
      augment: augmentation,
      precision,
      views,
    }),
  )
  scope(() => {
    for (const [name, t] of net.body.stateDict()) {
      const data = t.data()
      hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
  })
  return hash.digest('hex').slice(0, 32)
}
