import { plural } from '../../base/format.ts'
import { duplicatePictures, issuePictures } from '../../interpret/label-issues.ts'
import type { Interpretation } from '../../runs/index.ts'
import { outOfFold } from '../../train/linear/out-of-fold.ts'
import type { Targets } from '../../train/objective.ts'
import { firstOfParts, meanByPart } from '../../train/pooled.ts'
import type { Source } from '../../train/source.ts'
import type { Prepared } from '../prepare/prepared.ts'
import type { Context } from '../run/context.ts'
import type { Features } from '../steps/frozen-features.ts'

/** More samples than this are not searched: it would take longer than training the head. */
const mostSamples = 20_000
/** How many issues of each kind are kept, the most certain first. */
const most = 24

/** What a person should check before the next run: labels that may be wrong, and samples that are nearly the same. A
 *  label may be wrong if a model that was not trained on it disagrees (five folds of the last layer's optimum on frozen
 *  features, Northcutt et al. 2021). `anneal clean` shows them. */
export async function doubtsOf(
  prepared: Prepared,
  { session, signal }: Context,
  { features, l2 }: { features: Features; l2: number },
): Promise<Pick<Interpretation, 'labelIssues' | 'nearDuplicates'>> {
  const { data, show, seed } = prepared
  const { task, names: classes } = prepared.objective
  const [train, valid] = [prepared.source('train'), prepared.source('valid')]
  const count = train.count + valid.count
  if (count > mostSamples || firstOfParts(train.items, train.parts).length < 10) return {}
  const width = features.valid.length / valid.count
  const all = new Float32Array(count * width)
  all.set(features.train.subarray(0, train.count * width))
  all.set(features.valid, train.count * width)
  const parts = joinedParts(train, valid)
  const items = firstOfParts([...train.items, ...valid.items], parts)
  const shown = { dir: data.dir, task, classes, show, most }
  const targets = joined(train.targets, valid.targets)
  // Regression has no labels that could be wrong.
  const outputs =
    task === 'regression'
      ? undefined
      : (await outOfFold(all, targets, classes.length, { seed, task, l2s: [l2], groups: parts, signal })).outputs
  const told = outputs && meanByPart(Float32Array.from(outputs), parts, classes.length)
  const labelIssues = told ? await issuePictures(items, told, shown) : []
  const found = (await prepared.nearlySame?.(meanByPart(all, parts, width), items, { signal })) ?? {
    pairs: [],
    groups: [],
  }
  if (labelIssues.length > 0 || found.pairs.length > 0) {
    const across = found.pairs.filter(({ a, b }) => items[a]!.split !== items[b]!.split).length
    const both = across > 0 ? `, ${across} of them in both training and validation` : ''
    const pairs = `${plural(found.pairs.length, 'pair')} of ${prepared.domain.words.many} that are nearly the same${both}`
    session.emit({
      type: 'line',
      text: `please check: ${plural(labelIssues.length, 'label')} that may be wrong, ${pairs} (anneal clean ${session.run.dir})`,
    })
  }
  return { labelIssues, nearDuplicates: await duplicatePictures(items, found, shown) }
}

/** The number of each row's sample, over both parts of the data; undefined where each row is a sample. */
function joinedParts(a: Source, b: Source): Uint32Array | undefined {
  if (!a.parts && !b.parts) return undefined
  const own = ({ parts, count }: Source) => parts ?? Uint32Array.from({ length: count }, (_, i) => i)
  const [first, second] = [own(a), own(b)]
  const before = first.reduce((most, part) => Math.max(most, part + 1), 0)
  return Uint32Array.from([...first, ...second.map(part => part + before)])
}

function joined(a: Targets, b: Targets): Targets {
  const all = new (a.constructor as new (length: number) => Targets)(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}
