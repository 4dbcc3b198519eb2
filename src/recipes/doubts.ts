import { relative } from 'node:path'
import { preview } from '../data/index.ts'
import { nearDuplicates } from '../interpret/duplicates.ts'
import { smallJpeg } from '../interpret/picture.ts'
import type { Interpretation, IssuePicture, NearDuplicates } from '../runs/index.ts'
import { outOfFold } from '../train/folds.ts'
import { labelIssues, labelIssuesMulti } from '../train/metrics.ts'
import type { Targets } from '../train/objective.ts'
import type { Features } from './features.ts'
import type { Context, Prepared } from './prepare.ts'

/** More pictures than this are not looked through: it would take longer than the head. */
const mostPictures = 20_000
/** How many of each kind are kept, the surest first. */
const [mostIssues, mostPairs] = [24, 16]
/** Numbers whose error out of fold is this many deviations are doubted. */
const farOff = 4

/** What of the data a person should look at before the next run: labels that a model which did not learn from them
 *  disputes (five folds of the last layer's optimum on frozen features, Northcutt et al. 2021), and pictures that are
 *  nearly the same. `anneal clean` shows them. */
export async function doubtsOf(
  prepared: Prepared,
  { session, signal }: Context,
  { features, l2 }: { features: Features; l2: number },
): Promise<Pick<Interpretation, 'labelIssues' | 'nearDuplicates'>> {
  const [train, valid] = [prepared.source('train'), prepared.source('valid')]
  const count = train.count + valid.count
  if (count > mostPictures || train.count < 10) return {}
  const width = features.valid.length / valid.count
  const all = new Float32Array(count * width)
  all.set(features.train.subarray(0, train.count * width))
  all.set(features.valid, train.count * width)
  const items = [...train.items, ...valid.items]
  const { task, classes, objective, pictures, seed } = prepared
  const { scale } = objective
  const targets = joined(train.targets, valid.targets)
  const answers = scale
    ? targets.map((v, i) => (v - scale.mean[i % classes.length]!) / scale.std[i % classes.length]!)
    : targets
  const { outputs } = await outOfFold(all, answers, classes.length, { seed, task, l2s: [l2], signal })
  const issues = disputed(prepared, outputs, targets).slice(0, mostIssues)
  const parts = Int32Array.from(items, item => (item.split === 'train' ? 0 : 1))
  const found = await nearDuplicates(all, count, { signal })
  const shown = async (i: number) => ({
    file: relative(pictures.data.dir, items[i]!.file),
    thumbnail: await smallJpeg(preview(pictures.picture(items[i]!.picture))),
  })
  const label = (i: number) =>
    items[i]!.values?.join(', ') ?? (items[i]!.labels.map(c => classes[c]!).join(', ') || 'no label')
  const pairs = found.pairs.slice(0, mostPairs)
  if (issues.length > 0 || found.pairs.length > 0) {
    const across = found.pairs.filter(({ a, b }) => parts[a] !== parts[b]).length
    session.emit({
      type: 'line',
      text: `to look at: ${issues.length} labels that may be wrong, ${found.pairs.length} pairs of pictures that are nearly the same${across > 0 ? `, ${across} of them in training and validation both` : ''} (anneal clean ${session.run.dir})`,
    })
  }
  return {
    labelIssues: await Promise.all(
      issues.map(async ({ index, ...issue }): Promise<IssuePicture> => ({ ...(await shown(index)), ...issue })),
    ),
    nearDuplicates: await Promise.all(
      pairs.map(
        async ({ a, b, similarity }): Promise<NearDuplicates> => ({
          similarity,
          pictures: await Promise.all(
            [a, b].map(async i => ({ ...(await shown(i)), label: label(i), part: items[i]!.split })),
          ),
        }),
      ),
    ),
  }
}

const joined = (a: Targets, b: Targets): Targets => {
  const all = a instanceof Int32Array ? new Int32Array(a.length + b.length) : new Float32Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}

type Disputed = Omit<IssuePicture, 'file' | 'thumbnail'> & { index: number }

/** Answers that the outputs out of fold dispute, the surest first. */
function disputed({ task, classes, objective }: Prepared, outputs: Float32Array, targets: Targets): Disputed[] {
  const n = classes.length
  if (task === 'single')
    return labelIssues(outputs, targets, n).map(({ index, given, suggested, score }) => ({
      index,
      given: classes[given]!,
      suggested: classes[suggested]!,
      score,
    }))
  if (task === 'multi') {
    const said = (label: number, there: number) => `${there ? '' : 'not '}${classes[label]}`
    return labelIssuesMulti(outputs, targets, n).map(({ index, label, given, suggested, score }) => ({
      index,
      given: said(label, given),
      suggested: said(label, suggested),
      score,
    }))
  }
  const { mean, std } = objective.scale!
  const text = (v: number, t: number) => `${n > 1 ? `${classes[t]} ` : ''}${+v.toPrecision(4)}`
  return Array.from(targets, (actual, i) => {
    const t = i % n
    const told = outputs[i]! * std[t]! + mean[t]!
    const off = Math.abs(told - actual) / std[t]!
    return { index: Math.floor(i / n), given: text(actual, t), suggested: text(told, t), score: -off, off }
  })
    .filter(({ off }) => off >= farOff)
    .sort((a, b) => b.off - a.off)
    .map(({ off: _, ...issue }) => issue)
}
