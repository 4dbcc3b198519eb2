import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { DataError, fileReason } from '../base/errors.ts'
import { plural } from '../base/format.ts'
import { option, setting } from '../base/options.ts'
import { refuseConflicts, refuseDamaged } from '../data/labels/after-scan.ts'
import { drawSplit, uncheckedLabels, unjudged } from '../data/split/draw-split.ts'
import { dropCopies, dropEmptyClasses } from '../data/split/drop-duplicates.ts'
import { sharedParts } from '../data/split/shared-parts.ts'
import type { Choice, Item, Problem, Split } from '../data/types.ts'
import type { Dataset } from '../domain/index.ts'
import { hashOf } from './hash.ts'
import { decodeText, isEncoding } from './read/decode.ts'
import { textFiles } from './read/text-files.ts'
import type { TextIndex, TextItem } from './types.ts'

const { noun } = textFiles
const { one, many } = noun

/** Labelled texts after the scan. */
export interface TextDataset extends Dataset<TextItem> {
  choices: Choice[]
}

/** Reads the texts. Damaged and empty ones, copies, leaks and conflicts are left out and listed. If the validation
 *  split is drawn at random, it is drawn again from the rest. Throws if more than `maxDamaged` of the files are damaged,
 *  or if too few texts are left to train and to validate. */
export function openTexts(index: TextIndex, { encoding }: { encoding?: string | undefined } = {}): TextDataset {
  const { task, drawn, options: plan } = index
  if (encoding !== undefined && !isEncoding(encoding))
    throw new DataError(
      `${setting('encoding', encoding)}: no encoding has this name; expected one such as utf-8, utf-16le, windows-1252, windows-1251, shift_jis, gb18030 or euc-kr.`,
    )
  const read = index.texts ? ofTable(index, index.texts) : ofFiles(index, encoding)
  refuseDamaged(
    index,
    [...index.problems, ...read.problems].filter(problem => problem.counted),
    noun,
  )
  if (drawn) for (const item of read.items) if (item.split === 'valid') item.split = 'train'
  const shared = index.fixed ? [] : sharedParts(read.items, { dir: index.dir, most: plan.maxLeftOut, noun })
  const once = dropCopies(read.items, { ...index, noun })
  if (drawn) drawSplit(once.items, { ...plan, task, noun })
  const left = index.fixed
    ? { classes: index.classes, items: once.items, problems: [] }
    : dropEmptyClasses(once.items, { ...index, noun })
  const unchecked = index.fixed ? [] : uncheckedLabels(left.classes, left.items, { drawn, noun })
  const before = index.problems.filter(({ kind }) => kind !== 'single-picture' && kind !== 'one-sided')
  const problems = [...before, ...read.problems, ...once.problems, ...left.problems, ...unchecked].map(inWords)
  const choices = [
    ...index.choices,
    ...read.choices,
    ...shared,
    ...unjudged(left, { drawn, task, fixed: index.fixed, noun }),
  ]
  const data = described(index, { ...left, problems, choices })
  checkEnough(data, index)
  refuseConflicts(once.problems, index, noun, 'Correct them, or write all labels of a text into one row')
  return data
}

/** A problem's kind as people read it. */
const inWords = (problem: Problem): Problem =>
  problem.kind === 'not-a-picture' ? ({ ...problem, kind: 'not-a-text' } as unknown as Problem) : problem

interface Read {
  items: TextItem[]
  problems: Problem[]
  choices: Choice[]
}

const ofTable = ({ items }: TextIndex, texts: ReadonlyMap<string, string>): Read => ({
  items: items.map(item => withText(item, texts.get(item.file)!)),
  problems: [],
  choices: [],
})

/** Reads each file in its encoding; says which files are in another one than UTF-8. */
function ofFiles({ dir, items: files }: TextIndex, encoding: string | undefined): Read {
  const items: TextItem[] = []
  const problems: Problem[] = []
  const others = new Map<string, string[]>()
  for (const item of files) {
    const file = relative(dir, item.file)
    const bad = (kind: Problem['kind'], reason: string, counted: boolean) =>
      problems.push({ kind, file, reason, kept: false, counted })
    let bytes: Buffer
    try {
      bytes = readFileSync(item.raw ? Buffer.from(item.raw) : item.file)
    } catch (error) {
      bad('unreadable', fileReason(error), true)
      continue
    }
    const decoded = decodeText(bytes, encoding)
    if ('fault' in decoded)
      bad(
        'damaged',
        `${decoded.fault}${encoding === undefined && /encoding/.test(decoded.fault) ? ` (${option('encoding')} names it)` : ''}`,
        true,
      )
    else if (isEmpty(decoded.text))
      bad('damaged', bytes.length === 0 ? 'it is empty (0 bytes)' : 'it holds no words', true)
    else {
      items.push(withText(item, decoded.text))
      if (decoded.encoding !== 'utf-8') others.set(decoded.encoding, [...(others.get(decoded.encoding) ?? []), file])
    }
  }
  const choices = Array.from(
    others,
    ([name, inIt]): Choice => ({
      what: 'encoding',
      value: name,
      reason: `of ${plural(inIt.length, 'file')} that ${inIt.length === 1 ? 'is' : 'are'} not UTF-8, such as ${inIt[0]}; ${encoding === undefined ? `if letters are wrong, name another one (${option('encoding')})` : 'as asked'}`,
    }),
  )
  return { items, problems, choices }
}

const isEmpty = (text: string): boolean => !/[\p{L}\p{N}\p{S}\p{P}]/u.test(text)

const withText = (item: Item, text: string): TextItem => ({ ...item, text, hash: hashOf(text) })

function described(
  { dir, task }: TextIndex,
  { classes, items, problems, choices }: Pick<TextDataset, 'classes' | 'items' | 'problems' | 'choices'>,
): TextDataset {
  const counts = task === 'regression' ? [] : classes.map(name => ({ name, train: 0, valid: 0, test: 0 }))
  for (const { labels, split } of items) for (const label of labels) if (counts[label]) counts[label][split]++
  const sum = createHash('sha256').update(JSON.stringify(classes))
  for (const { hash, labels, values, split } of items)
    sum.update(JSON.stringify(`${hash} ${values ?? labels} ${split}`))
  const of = (split: Split) => items.filter(item => item.split === split)
  return { dir, task, classes, items, counts, problems, choices, fingerprint: sum.digest('hex'), of }
}

function checkEnough({ dir, task, classes, of, problems }: TextDataset, { fixed }: TextIndex): void {
  const count = (kind: Problem['kind']) => problems.filter(problem => problem.kind === kind && !problem.kept).length
  const why = (['damaged', 'missing', 'conflict', 'leak', 'duplicate', 'cleaned'] as const)
    .filter(kind => count(kind) > 0)
    .map(kind => `${count(kind)} ${kind}`)
  const after = why.length > 0 ? ` after the scan left out ${why.join(', ')}` : ''
  const [train, valid, test] = [of('train').length, of('valid').length, of('test').length]
  const refuse = (what: string) => {
    throw new DataError(`${dir} has ${what}${after}. Add ${many}.`)
  }
  if (fixed) {
    if (test === 0) refuse(`no usable ${many} to evaluate on`)
    return
  }
  if (task === 'single' && classes.length < 2)
    refuse(`${plural(classes.length, 'class', 'classes')} with usable training ${many}; at least two are needed`)
  if (task === 'multi' && classes.length === 0) refuse(`no training ${one} with a label; at least one is needed`)
  if (train < 2) refuse(`${plural(train, one, many)} for training; at least two are needed`)
  if (valid === 0)
    refuse(
      `no ${many} for validation; ${task === 'single' ? `at least one class needs two different ${many}` : 'expected at least one'}`,
    )
}
