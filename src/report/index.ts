/** The report: draws a run folder as charts and one self-contained page. */
import { join } from 'node:path'
import { writeAtomic } from '../base/files.ts'
import { samples } from '../base/samples.ts'
import { nounOf, readRun, runPaths } from '../runs/index.ts'
import { confusionChart } from './charts/confusion.ts'
import { recallChart, reliabilityChart, scatterChart, sizeChart } from './charts/curves.ts'
import { type Chart, type Kit, loadPlot } from './charts/plot.ts'
import { rateFinderChart } from './charts/rate-finder.ts'
import { scoreChart } from './charts/score.ts'
import { tableCharts } from './charts/table.ts'
import { lossChart, scheduleChart, timeChart } from './charts/training.ts'
import { weightPathChart } from './charts/weight-path.ts'
import { type Facts, factsOf } from './facts/facts.ts'
import { loadPictures } from './facts/load-pictures.ts'
import type { Charts } from './facts/material.ts'
import { prepareFonts } from './fonts.ts'
import { page } from './page/page.ts'
import { mostLabels, worstFirst } from './sections/multi-label.ts'

/** Writes `report.html`, and its charts as `plots/*.svg` and `plots/*.png`, from what a run has written so far. Reads
 *  nothing outside `runDir`; throws where it holds no run or can't be written to. */
export async function writeReport(runDir: string): Promise<void> {
  const record = readRun(runDir)
  const facts = factsOf(record)
  const kit = await loadPlot()
  const pictures = await loadPictures(runDir, facts)
  const paths = runPaths(runDir)
  const before = samples.call(nounOf(record.config))
  let charts: Charts
  try {
    charts = drawCharts(kit, facts)
    writeAtomic(paths.report, page({ record, facts, charts, pictures }))
  } finally {
    samples.call(before)
  }
  prepareFonts()
  const { default: sharp } = await import('sharp')
  for (const chart of Object.values(charts).flat()) {
    if (!chart) continue
    writeAtomic(join(paths.plots, `${chart.name}.svg`), chart.file)
    const png = await sharp(Buffer.from(chart.file), { density: 144, limitInputPixels: false }).png().toBuffer()
    writeAtomic(join(paths.plots, `${chart.name}.png`), png)
  }
}

function drawCharts(kit: Kit, facts: Facts): Charts {
  const { finds, batches, epochs, groups, spent, confusion, testConfusion, multi, regression, calibration } = facts
  const { leading: metric, sample } = facts
  const drawn = (chart: Chart | undefined) => chart !== undefined
  return {
    finders: finds
      .map((find, i) => rateFinderChart(kit, find, i === 0 ? 'rate-finder' : `rate-finder-${i + 1}`))
      .filter(drawn),
    schedule: scheduleChart(kit, batches, groups),
    losses: lossChart(kit, batches, epochs),
    score: scoreChart(kit, epochs, metric),
    confusion: confusion && confusionChart(kit, confusion.classes, confusion.cells, 'validation', sample),
    testConfusion: testConfusion && confusionChart(kit, testConfusion.classes, testConfusion.cells, 'test', sample),
    recall: worstFirst(multi).map(({ label, curve }, i) =>
      curve && i < mostLabels ? recallChart(kit, curve, label, i + 1) : undefined,
    ),
    scatter: (regression?.targets ?? [])
      .slice(0, 12)
      .map((target, i) => scatterChart(kit, target, i + 1, sample))
      .filter(drawn),
    calibration: calibration && reliabilityChart(kit, calibration),
    sizes: sizeChart(kit, facts.sizes, metric),
    weightPath: weightPathChart(kit, facts.weightPath),
    time: timeChart(kit, spent),
    ...tableCharts(kit, facts),
  }
}
