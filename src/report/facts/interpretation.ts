import type {
  AugmentTrial,
  CalibrationPart,
  ClassScore,
  FeaturePicture,
  HeardSound,
  HeatPicture,
  Interpretation,
  IssuePicture,
  JudgedPicture,
  LabelScore,
  MultiInterpretation,
  NearDuplicateGroup,
  ReadText,
  RegressionInterpretation,
  SamplePicture,
  SimpleModel,
  SizeScore,
  TableInterpretation,
  WeightPoint,
} from '../../runs/index.ts'
import { soundMaps } from '../sections/map-images.ts'

/** The content of `interpret.json`, as far as it can be read; empty lists where there is nothing. */
export type Interpreted = {
  scores: ClassScore[]
  topLosses: JudgedPicture[]
  mostUncertain: JudgedPicture[]
  mostCorrect: JudgedPicture[]
  mostIncorrect: JudgedPicture[]
  samples: SamplePicture[]
  heatmaps: HeatPicture[]
  sounds: HeardSound[]
  texts: ReadText[]
  baseline?: SimpleModel
  featureMaps: FeaturePicture[]
  labelIssues: IssuePicture[]
  nearDuplicates: NearDuplicateGroup[]
  sizes: SizeScore[]
  weightPath: WeightPoint[]
  augmentAuto: AugmentTrial[]
  multi?: Required<MultiInterpretation>
  regression?: RegressionInterpretation
  calibration?: CalibrationPart
  table?: TableInterpretation
}

/** Reads the parts; a damaged one is left out or cut down to what is sound, never guessed. */
export function interpreted(from: Partial<Interpretation> | undefined): Interpreted {
  const { multi, regression, calibration, table } = from ?? {}
  return {
    scores: objects(from?.perClass),
    topLosses: objects(from?.topLosses),
    mostUncertain: objects(from?.mostUncertain),
    mostCorrect: objects(from?.mostCorrect),
    mostIncorrect: objects(from?.mostIncorrect),
    samples: objects(from?.samples),
    heatmaps: objects(from?.heatmaps),
    texts: objects(from?.texts).map(readText),
    ...(isObject(from?.baseline) && isObject(from.baseline.metrics) ? { baseline: from.baseline } : {}),
    sounds: objects(from?.sounds).filter(s => typeof s.audio === 'string'),
    featureMaps: objects(from?.featureMaps).map(p => ({
      ...p,
      layers: soundMaps(objects(p.layers).map(layer => ({ ...layer, maps: objects(layer.maps) }))),
    })),
    labelIssues: objects(from?.labelIssues),
    nearDuplicates: objects(from?.nearDuplicates)
      .map(group => ({ ...group, pictures: objects(group.pictures) }))
      .filter(group => group.pictures.length > 1),
    sizes: objects(from?.sizes),
    weightPath: objects(from?.weightPath),
    augmentAuto: objects(from?.augmentAuto),
    ...(isObject(multi) ? { multi: labels(multi) } : {}),
    ...(isObject(table) ? { table: soundTable(table) } : {}),
    ...(isObject(regression) ? { regression: numbers(regression) } : {}),
    ...(isObject(calibration) && isObject(calibration.before)
      ? {
          calibration: {
            ...calibration,
            before: curve(calibration.before),
            ...(isObject(calibration.after) ? { after: curve(calibration.after) } : {}),
          },
        }
      : {}),
  }
}

/** Parts that are no text with a number are left out. */
const readText = (given: ReadText): ReadText => ({
  ...given,
  parts: list(given.parts).filter(
    part => Array.isArray(part) && typeof part[0] === 'string' && Number.isFinite(part[1]),
  ),
})

function labels(multi: MultiInterpretation): NonNullable<Interpreted['multi']> {
  const pictures = (list: unknown) =>
    objects(list as MultiInterpretation['topLosses']).map(p => ({
      ...p,
      actual: texts(p.actual),
      predicted: texts(p.predicted),
    }))
  return {
    threshold: Number(multi.threshold ?? NaN),
    thresholds: list(multi.thresholds),
    perClass: objects(multi.perClass).map(sound),
    curves: objects(multi.curves).map(c => ({ name: String(c.name ?? ''), points: list(c.points).filter(isPair) })),
    worst: objects(multi.worst).map(w => ({ name: String(w.name ?? ''), pictures: pictures(w.pictures) })),
    averages: isObject(multi.averages)
      ? Object.fromEntries(Object.entries(multi.averages).filter(([, average]) => isObject(average)))
      : {},
    topLosses: pictures(multi.topLosses),
    confused: objects(multi.confused),
  }
}

/** Reads numbers; a missing one is NaN. */
function sound(label: LabelScore): LabelScore {
  const number = (value: unknown) => (typeof value === 'number' ? value : NaN)
  const keys = ['support', 'precision', 'recall', 'f1', 'tn', 'fp', 'fn', 'tp', 'threshold'] as const
  const numbers = Object.fromEntries(keys.map(key => [key, number(label[key])])) as Record<
    (typeof keys)[number],
    number
  >
  return { ...numbers, name: String(label.name ?? ''), ap: typeof label.ap === 'number' ? label.ap : null }
}

const numbers = ({ targets, worst }: RegressionInterpretation): RegressionInterpretation => ({
  targets: objects(targets).map(t => ({ ...t, name: String(t.name ?? ''), points: list(t.points).filter(isPair) })),
  worst: objects(worst).map(w => ({ ...w, values: objects(w.values) })),
})

/** The findings on a table, without the parts that are damaged. */
function soundTable(table: TableInterpretation): TableInterpretation {
  const { residuals } = table
  return {
    ...table,
    leading: String(table.leading ?? ''),
    baselines: objects(table.baselines).filter(b => isObject(b.metrics)),
    importance: objects(table.importance).filter(i => Number.isFinite(i.mean)),
    dependence: objects(table.dependence)
      .map(d => ({
        ...d,
        places: list(d.places),
        curves: objects(d.curves),
        lines: list(d.lines).filter(Array.isArray),
      }))
      .filter(d => d.curves.every(c => Array.isArray(c.values) && c.values.length === d.places.length)),
    slices: objects(table.slices),
    ...(isObject(residuals) ? { residuals: { ...residuals, points: list(residuals.points).filter(isPair) } } : {}),
    byRows: objects(table.byRows),
    columns: objects(table.columns),
    leaks: objects(table.leaks).map(leak => ({ ...leak, columns: texts(leak.columns) })),
  }
}

const curve = <T extends { bins: unknown; ece: unknown }>(from: T) => ({
  bins: objects(from.bins as CalibrationPart['before']['bins']),
  ece: typeof from.ece === 'number' ? from.ece : NaN,
})

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const isPair = (value: unknown): value is [number, number] => Array.isArray(value) && value.length === 2
const list = <T>(value: readonly T[] | undefined): T[] => (Array.isArray(value) ? value : [])
const texts = (value: unknown): string[] => list(value as string[] | undefined).filter(v => typeof v === 'string')

/** The objects in a list; none where the value is no list. */
export const objects = <T>(value: readonly T[] | undefined): T[] => list(value).filter(isObject)
