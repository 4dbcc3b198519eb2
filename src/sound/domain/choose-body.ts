import { percent, plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import { purpose, rng, shuffle } from '../../base/random.ts'
import { targetsOf } from '../../data/targets.ts'
import type { Task } from '../../data/types.ts'
import type { DomainContext, ModelChoice } from '../../domain/index.ts'
import { leadingMetric } from '../../runs/index.ts'
import { manualSeed } from '../../torch/index.ts'
import { computeFeatures } from '../../train/features.ts'
import { outOfFold } from '../../train/linear/out-of-fold.ts'
import { scoresOf } from '../../train/metrics/reported.ts'
import { network } from '../../train/network.ts'
import type { Sounds } from '../dataset.ts'
import { isSpeech, pretrainedBody, reachable } from '../models/bodies.ts'
import { speechEmbeddingName } from '../models/speech-embedding.ts'
import { soundSource } from '../source.ts'
import type { Item } from '../types.ts'
import { preprocessingFor } from './input-of.ts'
import { windowItems } from './inputs.ts'
import type { SoundOptionsOfRun } from './options.ts'

/** The most recordings that the bodies are compared on, and the fewest that say anything. */
const [most, fewest] = [400, 20]
const folds = 5

/** Chooses the body: the speech embedding, which knows voices, or a net for pictures on spectrograms, which knows no
 *  sounds but many shapes. Both compute frozen features of the same training recordings; the one whose linear model
 *  predicts recordings of other folds better goes on. Groups stay in one fold. */
export async function chooseBody(
  sounds: Sounds,
  seconds: number,
  context: DomainContext<SoundOptionsOfRun>,
): Promise<ModelChoice> {
  const { options, report, progress, signal } = context
  const { seed = 42 } = options
  const names = await reachable(report)
  const train = sounds.data.of('train')
  if (names.length === 0)
    return { name: speechEmbeddingName, reason: 'no weights can be reached now; it is the smallest', lines: [] }
  if (names.length === 1 || train.length < fewest)
    return {
      name: names[0]!,
      reason:
        names.length === 1
          ? `the only body whose weights can be had now; ${option('model')} takes another`
          : `${plural(train.length, 'training recording')}: too few to compare bodies`,
      lines: [],
    }
  const chosen = sampleOf(train, sounds.data.task, seed)
  const rates = train.map(({ sound }) => sounds.heard(sound).rate)
  const tried: { name: string; score: number; loss: number; time: number }[] = []
  for (const name of names) {
    const began = performance.now()
    const preprocessing = preprocessingFor(name, seconds, rates)
    const store = await sounds.at(preprocessing.rate)
    manualSeed(seed)
    const body = await pretrainedBody(name, { report, signal })
    const net = network(body, Math.max(1, sounds.data.classes.length), { seed })
    // One window of each recording, so that long ones do not count more.
    const items = windowItems(chosen, store, preprocessing.samples, 1)
    const source = soundSource({
      samples: (n, from, count) => store.samples(n, from, count),
      items,
      task: sounds.data.task,
      classes: sounds.data.classes.length,
      preprocessing,
    })
    const onBatch = (done: number, total: number) => progress(`features of ${name}`, done, total)
    const features = await computeFeatures(net, source, { batchSize: 32, signal, onBatch })
    tried.push({
      name,
      ...(await judge(features, chosen, sounds.data, { seed, signal })),
      time: (performance.now() - began) / 1000,
    })
    for (const t of net.net.stateDict().values()) t.dispose()
  }
  const metric = leadingMetric(sounds.data.task)
  const best = tried.reduce((a, b) => (b.score > a.score || (b.score === a.score && b.loss < a.loss) ? b : a))
  const said = ({ score }: { score: number }) => (metric.key === 'r2' ? score.toFixed(3) : percent(score))
  const figures = tried.map(t => `${t.name} ${said(t)}`).join(', ')
  return {
    name: best.name,
    reason: `${metric.title.replace(/^Accuracy$/, 'accuracy')} of a linear model on frozen features of ${plural(chosen.length, 'recording')}, in ${folds} folds: ${figures}; ${option('model')} takes another`,
    lines: tried.map(
      t =>
        `${t.name.padEnd(24)} ${said(t)}, loss ${t.loss.toFixed(3)}, ${t.time.toFixed(1)} s (${isSpeech(t.name) ? 'trained on speech' : 'trained on pictures'})`,
    ),
  }
}

/** At most `most` training recordings, of all classes and groups as they come in a shuffled order. */
function sampleOf(items: readonly Item[], task: Task, seed: number): Item[] {
  const order = shuffle([...items], rng(seed, 0, 0, purpose.sense))
  if (task !== 'single') return order.slice(0, most)
  const byClass = new Map<number, Item[]>()
  for (const item of order) {
    const list = byClass.get(item.labels[0]!)
    if (list) list.push(item)
    else byClass.set(item.labels[0]!, [item])
  }
  const chosen: Item[] = []
  for (let k = 0; chosen.length < Math.min(most, items.length); k++)
    for (const list of byClass.values()) if (list[k] && chosen.length < most) chosen.push(list[k]!)
  return chosen
}

async function judge(
  features: Float32Array,
  items: readonly Item[],
  { task, classes }: Pick<Sounds['data'], 'task' | 'classes'>,
  { seed, signal }: { seed: number; signal?: AbortSignal | undefined },
): Promise<{ score: number; loss: number }> {
  const targets = targetsOf(items, task, classes.length)
  const groups = items.map(item => item.group)
  const names = [...new Set(groups)]
  const { outputs, loss } = await outOfFold(features, targets, classes.length, {
    folds,
    seed,
    task,
    signal,
    ...(names.length >= folds ? { groups: groups.map(group => names.indexOf(group)) } : {}),
  })
  const scores: Record<string, number> = scoresOf(task, { outputs, targets, classes: classes.length })
  return { score: scores[leadingMetric(task).key]!, loss }
}
