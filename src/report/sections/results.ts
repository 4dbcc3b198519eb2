import { duration, percent } from '../../base/format.ts'
import { metricInfo, orderMetrics } from '../../runs/index.ts'
import { type Mistake, mistakes, mostInColumn, mostInMatrix } from '../charts/confusion.ts'
import type { Facts } from '../facts/facts.ts'
import { type Material, timeFillsGap } from '../facts/material.ts'
import { card, figure, name, pair, section, table } from '../page/components.ts'
import { Html, html } from '../page/html.ts'
import { bar, capital, count, decimals, unbroken } from '../page/text.ts'
import { augmentedViews } from './augmented-views.ts'
import { folds } from './folds.ts'
import { labels } from './multi-label.ts'
import { numbers } from './regression.ts'

/** The section of the training: its curves and its epochs. */
export function training({ charts, facts }: Material): Html | undefined {
  const cards = [charts.losses, charts.score, ...charts.finders, charts.schedule, charts.weightPath].filter(
    c => c !== undefined,
  )
  if (timeFillsGap(charts)) cards.push(charts.time!)
  const rows = Array.from({ length: Math.ceil(cards.length / 2) }, (_, i) =>
    pair(...cards.slice(2 * i, 2 * i + 2).map(c => figure(c))),
  )
  return section('training', 'Training', ...rows, facts.epochs.length > 0 && card('Epochs', epochTable(facts)))
}

/** Whether any epoch has this metric; tables have the losses alone. */
const domainHasLeading = (epochs: Facts['epochs'], key: string) =>
  epochs.length === 0 || epochs.some(e => key in e.metrics)

function epochTable({ epochs, task, leading: first }: Facts): Html {
  const best = epochs.findLast(e => e.best)
  const keys = orderMetrics([first.key, ...epochs.flatMap(e => Object.keys(e.metrics))], task)
  const there = keys.filter(key => key !== first.key && epochs.some(e => Number.isFinite(e.metrics[key])))
  const led = domainHasLeading(epochs, first.key) ? [first] : []
  const metrics = [...led, ...there.slice(0, 3).map(key => metricInfo(key, task))]
  const columns = ['Training loss', 'Validation loss', ...metrics.map(m => m.title), 'Time']
  return table(
    [{ title: 'Epoch', n: true }, { title: 'Phase' }, ...columns.map(title => ({ title, n: true })), { title: '' }],
    epochs.map(e => ({
      best: e === best,
      cells: [
        e.optimum ? 'optimum' : e.epoch,
        e.phase,
        decimals(e.trainLoss),
        decimals(e.validLoss),
        ...metrics.map(m => unbroken(m.say(e.metrics[m.key] ?? NaN))),
        duration(e.seconds),
        e === best && 'kept',
      ],
    })),
    epochs.some(e => Object.keys(e.metrics).length > 0) ? 20 : 10,
  )
}

/** The section of correct and wrong predictions, and of how well the probabilities are calibrated. */
export function results(material: Material): Html | undefined {
  const { facts, charts } = material
  return section(
    'results',
    'Results',
    folds(facts),
    ...(facts.task === 'multi'
      ? labels(material)
      : facts.task === 'regression'
        ? numbers(material)
        : classes(material)),
    simpleModel(facts),
    facts.task !== 'regression' && pair(figure(charts.calibration), figure(charts.sizes)),
    augmentedViews(facts),
  )
}

/** What a simple model makes of the same validation samples. */
function simpleModel({ baseline, valid, task }: Facts): Html | undefined {
  if (!baseline || !valid) return undefined
  const keys = orderMetrics(Object.keys(baseline.metrics), task).filter(key => Number.isFinite(valid.metrics[key]))
  if (keys.length === 0) return undefined
  const infos = keys.slice(0, 4).map(key => metricInfo(key, task))
  const row = (who: string, metrics: Record<string, number>, best: boolean) => ({
    best,
    cells: [who, ...infos.map(info => unbroken(info.say(metrics[info.key] ?? NaN)))],
  })
  return card(
    'Beside a simple model, validation',
    table(
      [{ title: 'Model' }, ...infos.map(({ title }) => ({ title, n: true }))],
      [row('this model', valid.metrics, true), row(baseline.name, baseline.metrics, false)],
    ),
  )
}

/** The confusion matrices, the pairs of classes that are most often confused, and the scores by class. */
export function classes({ facts, charts }: Material): (Html | undefined | false)[] {
  const large = (facts.confusion ?? facts.testConfusion)?.classes.length ?? 0
  const matrices = [charts.testConfusion, charts.confusion].map(chart => figure(chart, { large: large > mostInColumn }))
  const pairs = facts.confusion && mistakes(facts.confusion.classes, facts.confusion.cells)
  const confused =
    pairs &&
    card(
      `Most confused, validation ${facts.sample}s`,
      pairs.length === 0
        ? html`<p class="soft">Every ${facts.sample} was assigned to its class.</p>`
        : mistakeTable(pairs, facts.sample),
      large > mostInMatrix &&
        html`<p class="note">A matrix of ${large} classes is too large to read; these are its largest entries.</p>`,
    )
  const side = matrices.filter(m => m instanceof Html)
  const layout =
    large > mostInColumn
      ? [html`${side}`, confused]
      : side.length === 2
        ? [pair(...side), confused]
        : [pair(...side, confused)]
  return [...layout, facts.scores.length > 0 && card(`By class, validation ${facts.sample}s`, classTable(facts))]
}

const mistakeTable = (pairs: readonly Mistake[], sample: string) =>
  table(
    [
      { title: 'Actual' },
      { title: 'Predicted' },
      { title: capital(`${sample}s`), n: true },
      { title: 'Share of class', n: true },
    ],
    pairs.slice(0, 200).map(p => ({ cells: [name(p.actual), name(p.predicted), count(p.count), percent(p.share)] })),
    10,
  )

function classTable({ scores, counts, sample }: Facts): Html {
  const trained = new Map(counts.map(c => [c.name, c.train]))
  const columns = ['Precision', 'Recall', 'F1', capital(`${sample}s`), 'Trained on']
  return html`${table(
    [{ title: 'Class' }, ...columns.map(title => ({ title, n: true }))],
    scores
      .toSorted((a, b) => (a.f1 ?? 2) - (b.f1 ?? 2))
      .map(s => ({
        cells: [
          name(s.name),
          decimals(s.precision),
          decimals(s.recall),
          html`${bar(s.f1)}${decimals(s.f1)}`,
          count(s.support),
          count(trained.get(s.name) ?? NaN),
        ],
      })),
    20,
  )}<p class="note">The worst first. Precision: the share of the ${sample}s predicted as this class that belong to it. Recall: the share of the ${sample}s of this class that are predicted as it. F1: the harmonic mean of both.</p>`
}
