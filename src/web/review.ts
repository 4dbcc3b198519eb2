import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { RunError } from '../base/errors.ts'
import { quoted } from '../base/format.ts'
import type { SampleNoun } from '../base/samples.ts'
import { dataFolder } from '../data/shards/find.ts'
import { isSampleFile } from '../data/shards/members.ts'
import {
  domainOf,
  type Interpretation,
  nounOf,
  type RunConfig,
  type RunTask,
  readObject,
  runPaths,
  thumbnailText,
} from '../runs/index.ts'
import { optionsOf } from './again.ts'

/** A sample on the page: a picture, a text or a recording. Its index in the list identifies it. */
export interface ReviewedSample {
  /** The path below the data folder, as in decisions. */
  file: string
  /** Its labels, if they are known: class names, or numbers as text. */
  labels?: string[]
  /** A small JPEG in base64: the picture, or the spectrogram of the recording. */
  thumbnail?: string
  /** Its text, or the beginning of a long one. */
  text?: string
}
/** One item to review: the indexes of its samples, and its words. */
export interface Entry {
  samples: number[]
  /** The suggested label, if there is one. */
  suggested?: string[]
  /** The same in words. */
  words?: string
  /** The score for the ranking, in words. */
  score: string
}
/** Why an item is listed. */
export type Kind = 'label issue' | 'near duplicate' | 'top loss'
/** Entries of one kind, the most urgent first. */
export interface Section {
  kind: Kind
  entries: Entry[]
}
/** Everything to review in a run. */
export interface Review {
  run: string
  name: string
  /** What the run was trained on: a folder, or a table of texts. */
  data: string
  /** The folder that the names of files are relative to. */
  folder: string
  /** The kind of data, as configurations name it: `images`, `texts`, `sounds`. */
  kind: string
  /** What a sample is called. */
  noun: SampleNoun
  task: RunTask
  classes: string[]
  samples: ReviewedSample[]
  /** The whole texts of a table, by the names of its rows (`withTexts`). */
  texts?: ReadonlyMap<string, string>
  sections: Section[]
  /** The options of the run, as typed flags. */
  options: string[]
}

/** Collects labels that may be wrong, near duplicates and the highest losses from a run's `interpret.json`. If the file
 *  is damaged, its missing parts are left out. */
export function reviewOf(run: string): Review {
  const paths = runPaths(run)
  const [config, interpret] = [read<RunConfig>(paths.config), read<Interpretation>(paths.interpret)]
  const members = interpret ? [] : membersIn(run)
  if (members.length > 0)
    throw new RunError(
      `${run}: review its ${/fold-\d+$/.test(members[0]!) ? 'folds' : 'nets'} one by one: ${members.map(member => `npx anneal clean ${quoted(member)}`).join(', ')}.`,
    )
  if (!config || !interpret)
    throw new RunError(
      `${run}: there is no ${config ? 'interpret.json' : 'run'} here yet. \`npx anneal runs\` lists the runs; a run can be reviewed when it is done.`,
    )
  const samples = new Samples()
  const task = interpret.task ?? 'single'
  const sections: Section[] = [
    { kind: 'label issue', entries: issues(interpret, task, samples) },
    { kind: 'near duplicate', entries: duplicates(interpret, samples) },
    { kind: 'top loss', entries: losses(interpret, samples) },
  ]
  const data = typeof config.data === 'string' ? dataFolder(config.data) : ''
  const classes = texts(config.classes) ?? texts(interpret.classes) ?? []
  const filled = sections.filter(s => s.entries.length > 0)
  const folder = isFile(data) ? dirname(data) : data
  const kind = domainOf(config as RunConfig)
  const noun = nounOf(config as RunConfig)
  const about = { run, name: basename(resolve(run)), data, folder, kind, noun, task, classes }
  return { ...about, options: optionsOf(config), samples: samples.list, sections: filled }
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

/** The runs of folds or nets inside a run that can be reviewed. */
function membersIn(run: string): string[] {
  const names = existsSync(run) && statSync(run).isDirectory() ? readdirSync(run) : []
  return names
    .filter(name => /^(fold|net)-\d+$/.test(name))
    .sort((a, b) => Number(a.split('-')[1]) - Number(b.split('-')[1]))
    .map(name => join(run, name))
    .filter(member => existsSync(runPaths(member).interpret))
}

function read<T extends object>(path: string): Partial<T> | undefined {
  try {
    return readObject<Partial<T>>(path)
  } catch (cause) {
    throw new RunError(`${path}: ${(cause as Error).message}; it can't be reviewed.`, { cause })
  }
}

/** The samples of a review. Each file occurs once, with the labels and the thumbnail from all its entries. */
class Samples {
  readonly list: ReviewedSample[] = []
  readonly #numbers = new Map<string, number>()

  add(file: string, thumbnail: unknown, labels?: string[]): number {
    const number = this.#numbers.get(file) ?? this.list.push({ file }) - 1
    this.#numbers.set(file, number)
    const sample = this.list[number]!
    if (labels) sample.labels ??= labels
    if (isJpeg(thumbnail)) sample.thumbnail ??= thumbnail
    const text = thumbnailText(thumbnail)
    if (text !== undefined) sample.text ??= text
    return number
  }
}

const isJpeg = (text: unknown): text is string => typeof text === 'string' && /^\/9j\/[\w+/=]+$/.test(text)
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const texts = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.every(v => typeof v === 'string') ? value : isText(value) ? [value] : undefined
const rows = <T extends object>(value: readonly T[] | undefined): Partial<T>[] =>
  Array.isArray(value) ? value.filter(row => typeof row === 'object' && row !== null) : []
const percent = (p: unknown): string => (typeof p === 'number' && p <= 1 ? `${(100 * p).toFixed(1)} %` : '')

function issues({ labelIssues }: Partial<Interpretation>, task: RunTask, samples: Samples): Entry[] {
  return rows(labelIssues).flatMap(issue => {
    if (!isText(issue.file)) return []
    // For multi-label data, the given label is in words, such as `not cloudy`. `labels` may hold all labels of the
    // sample.
    const labels = task === 'multi' ? texts(issue.labels) : texts(issue.given)
    const suggested = task === 'multi' ? changed(labels, issue.suggested) : texts(issue.suggested)
    return {
      samples: [samples.add(issue.file, issue.thumbnail, labels)],
      ...(suggested ? { suggested } : {}),
      words: `${texts(issue.given)?.join(', ') ?? '?'} → ${texts(issue.suggested)?.join(', ') ?? '?'}`,
      score: `label believed to ${percent(issue.score) || '?'}`,
    }
  })
}

function changed(labels: string[] | undefined, words: string | undefined): string[] | undefined {
  if (!labels || !isText(words)) return undefined
  if (!labels.includes(words) && words.startsWith('not ')) return labels.filter(l => l !== words.slice(4))
  return labels.includes(words) ? labels : [...labels, words]
}

function duplicates({ nearDuplicates }: Partial<Interpretation>, samples: Samples): Entry[] {
  return rows(nearDuplicates).flatMap(({ similarity, pictures: same }) => {
    const alike = rows(same).filter(p => isText(p.file))
    if (alike.length < 2) return []
    const parts = new Set(alike.map(p => p.part).filter(isText))
    return {
      samples: alike.map(p => samples.add(p.file!, p.thumbnail, texts(p.label))),
      ...(parts.size > 0 ? { words: `in ${[...parts].join(' and ')}` } : {}),
      score: `${typeof similarity === 'number' ? `similarity ${similarity.toFixed(3)}` : 'almost the same'}${parts.size > 1 ? '; one gives away the other’s label' : ''}`,
    }
  })
}

function losses({ topLosses, multi, regression }: Partial<Interpretation>, samples: Samples): Entry[] {
  const single = rows<{ file: string; actual: unknown; predicted: unknown; loss: number; thumbnail: string }>([
    ...rows(topLosses),
    ...rows(multi?.topLosses),
  ] as never)
  const loss = (value: unknown) => (typeof value === 'number' ? `loss ${value.toFixed(2)}` : '')
  return [
    ...single.flatMap(p => {
      if (!isText(p.file)) return []
      const [actual, predicted] = [texts(p.actual), texts(p.predicted)]
      return {
        samples: [samples.add(p.file, p.thumbnail, actual)],
        words: `${actual?.join(', ') || 'no label'} → ${predicted?.join(', ') || 'no label'}`,
        ...(predicted ? { suggested: predicted } : {}),
        score: loss(p.loss),
      }
    }),
    ...rows(regression?.worst).flatMap(p => {
      if (!isText(p.file)) return []
      const values = rows(p.values).filter(v => typeof v.actual === 'number' && typeof v.predicted === 'number')
      const number = (v: (typeof values)[number], key: 'actual' | 'predicted') =>
        isText(v.shown?.[key]) ? v.shown[key] : String(+v[key]!.toPrecision(5))
      return {
        samples: [
          samples.add(
            p.file,
            p.thumbnail,
            values.map(v => number(v, 'actual')),
          ),
        ],
        words: values.map(v => `${v.name}: ${number(v, 'actual')} → ${number(v, 'predicted')}`).join(', '),
        score: loss(p.loss),
      }
    }),
  ]
}

/** The file of a sample, if it exists and its path is inside the data folder. */
export function fileOf({ folder }: Pick<Review, 'folder'>, file: string): string | undefined {
  const path = resolve(folder, file)
  if (folder === '' || file.includes('\0') || !path.startsWith(folder.endsWith(sep) ? folder : folder + sep))
    return undefined
  return isSampleFile(path) ? path : undefined
}
