import { resolve } from 'node:path'
import { DataError } from '../../base/errors.ts'
import { plural } from '../../base/format.ts'
import { option } from '../../base/options.ts'
import type { Cell } from '../../cells/cell.ts'
import type { Indexing } from '../files/file-kind.ts'
import type { Column } from '../tables/table.ts'
import type { Place, Problem } from '../types.ts'
import { checkFolder, type FolderIndex } from './from-folders.ts'
import { indexRows } from './index-rows.ts'
import type { Known } from './known-classes.ts'
import { refuseMost } from './left-out.ts'
import { findSamples } from './list-files.ts'
import { listingOf, nameIn, nameMatcher } from './name-patterns.ts'
import type { LabelOptions } from './options.ts'
import { readAnswers } from './parse-cells.ts'

/** Indexes all pictures below a folder, with labels from their names: by a regular expression or a function. */
export function indexNames(
  dir: string,
  options: LabelOptions,
  { fileKind, known }: Indexing & { known?: Known },
): FolderIndex {
  const { many } = fileKind.noun
  checkFolder(dir, `expected a folder of ${many}`, fileKind)
  const root = resolve(dir)
  const found = findSamples(Buffer.from(root), Buffer.from(root), fileKind)
  const labelled = labeller(options)
  const source = option(options.labelOf ? 'labelOf' : 'labelRegex')
  const cells: Cell[] = []
  const places: Place[] = []
  const problems: Problem[] = [...found.problems]
  for (const place of found.samples) {
    const file = place.file.slice(root.length + 1)
    const cell = labelled(file)
    if (cell === undefined)
      problems.push({ kind: 'unlabelled', file, reason: `${source} finds no label`, kept: false, counted: false })
    else {
      cells.push(cell)
      places.push(place)
    }
  }
  if (cells.length === 0)
    throw new DataError(
      found.samples.length === 0
        ? `${dir} holds no ${many}; expected a folder of ${many}.`
        : `${source}${options.labelRegex === undefined ? '' : ` ${options.labelRegex}`} finds no label in any of the ${plural(found.samples.length, 'name')}, such as ${found.samples[0]!.file.slice(root.length + 1)}; expected one in each.`,
    )
  if (options.labelRegex !== undefined)
    refuseMost(
      { out: found.samples.length - cells.length, total: found.samples.length, most: options.maxLeftOut },
      {
        what: `names have no label by ${source} ${options.labelRegex}`,
        example: problems.find(({ kind }) => kind === 'unlabelled')?.file ?? '',
        instead: 'Change the expression so that it matches more names',
      },
    )
  const column: Column = { name: 'label', cells }
  const listing = listingOf(root, places, { problems: [], fileKind })
  const where = (row: number) => nameIn(listing, row)
  const rows = Array.from(cells.keys())
  const { targets, ...rest } = options
  const answers = readAnswers(
    { columns: [column], rows, test: () => false, where, known: known?.classes, noun: fileKind.noun },
    targets ? { ...rest, task: 'regression' } : rest,
  )
  if (targets && targets.length !== answers.targets.length)
    throw new DataError(
      `${option('targets')} names ${plural(targets.length, 'number')} (${targets.join(', ')}), but ${source} gives ${answers.targets.length}; expected the same number.`,
    )
  const named = { ...answers, targets: [...(targets ?? answers.targets)] }
  return indexRows({ listing, files: rows, answers: named, where, source, problems, choices: [] }, options, known)
}

function labeller({ labelRegex, labelOf }: LabelOptions): (file: string) => Cell | undefined {
  if (!labelOf) return nameMatcher('labelRegex', labelRegex!)
  return file => {
    const label = labelOf(file) as unknown
    const scalar = (value: unknown) => typeof value === 'string' || typeof value === 'number'
    if (label === undefined || scalar(label)) return label as Cell | undefined
    if (Array.isArray(label) && label.every(scalar)) return label as Cell
    throw new DataError(
      `labelOf gave ${JSON.stringify(label)} for ${file}; expected a text, a number, a list of them, or undefined to leave the file out.`,
    )
  }
}
