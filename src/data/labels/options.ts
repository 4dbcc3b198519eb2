import { bool, choice, func, int, list, number, off, or, path, pattern, text } from '../../base/option-kinds.ts'
import { group, type Options } from '../../base/option-table.ts'

/** What -1 means in columns of 0 and 1. */
export type MinusOne = 'absent' | 'present' | 'unknown'

/** Gives the label, labels or numbers of a sample from its path below the folder; undefined leaves the sample out. */
export type LabelOf = (file: string) => string | number | readonly string[] | readonly number[] | undefined

/** The commands that train, or show the training data. */
const trains = ['train', 'learner', 'augment'] as const
const drawn = [...trains, 'demo'] as const

// biome-ignore format: one option, one line or two
/** Where labels come from: `labels`, `labelRegex` or `labelOf`. Default: class folders. */
export const labelSourceOptions = group('Labels', [...trains, 'evaluate'], {
  labels: path('a table (CSV, TSV, JSON lines or Parquet)').flag('--labels <table>').example('labels.csv')
    .says('read labels from this table: CSV, TSV, JSON lines or Parquet; looked for from where the command runs, then in the folder'),
  fileColumn: text('the name of a column').flag('--file-column <name>').example('file')
    .says('the column that names the file of each row').otherwise('found by its content'),
  labelColumn: or(list(text('the name of a column', 'names of columns'), { least: 1 }), text('the name of a column')).flag('--label-column <names>').example(['cat', 'dog'])
    .says('the column of labels, or one column per label: cat,dog; with a comma in a name \'"cat, big",dog\'; or repeat the flag').otherwise('found by its content'),
  targets: list(text('the name of a column', 'names of columns')).flag('--targets <names>').example(['age', 'weight'])
    .says('the columns of numbers to predict (regression), written the same way'),
  delimiter: text('the text between the labels of one cell').flag('--delimiter <text>').example(';')
    .says('the text between the labels of one cell; a space stands for any blanks').otherwise('found in the cells'),
  missing: list(text('a word', 'words', /^/)).flag('--missing <words>').example(['nan', 'NULL'])
    .says('the words that mean a missing label or number; empty cells always do').otherwise('nan, NULL, N/A, None and the like'),
  decimal: choice('.', ',').flag('--decimal <sign>')
    .says('the decimal sign of numbers, . or ,').otherwise('found in the cells'),
  minusOne: choice('absent', 'present', 'unknown').flag('--minus-one <meaning>')
    .says('what -1 means in label columns of 0 and 1').otherwise('asked', 'CelebA writes -1 for "absent", CheXpert for "unknown"'),
  maxLeftOut: number({ from: 0, to: 1 }, 'a share').flag('--max-left-out <share>').default(0.5, 'more than half is more likely a misread table than bad rows')
    .says('stop if a larger share of rows or files has no label or lies in two parts'),
  labelRegex: pattern().flag('--label-regex <regex>').example('^([a-z]+)_')
    .says('take the label from the file name: the first group of this regular expression'),
  labelOf: func<LabelOf>('a function that gives the label of a file')
    .says('a function that gives the label, labels or numbers of a file by its path below the folder'),
  task: choice('single', 'multi', 'regression').flag('--task <kind>').on(...trains)
    .says('single (one label each), multi (several labels) or regression (numbers)').otherwise('found by the labels'),
})

// biome-ignore format: one option, one line or two
/** How samples are split, and how many files may be damaged. */
export const splitOptions = group('Training and validation', drawn, {
  valid: number({ above: 0, below: 1 }, 'a share', 'shares').flag('--valid <share>').default(0.2, "fast.ai's usual share")
    .says('the share of each class that is kept for validation, where the data has no such part'),
  folds: int(2, 100).flag('--folds <n>').example(5)
    .says('cross-validation: train n times, each time with another part for validation, and average the nets'),
  fold: int(0).flag('--fold <i>')
    .says('train this fold alone, counted from 0: one of --folds, or of a column of fold numbers'),
  splitColumn: or(off(), text('the name of a column')).flag('--split-column <name>').on(...trains, 'evaluate').example('split')
    .says('the column of train, valid and test; none for no such column').otherwise('found by its content'),
  groupColumn: text('the name of a column').flag('--group-column <name>').on(...trains, 'evaluate').example('patient')
    .says('the column of groups (patient, day): a group is never in both training and validation'),
  groupRegex: pattern().flag('--group-regex <regex>').on(...trains).example('^([^_]+)_')
    .says('take the group from the file name: the first group of this regular expression'),
  timeColumn: text('the name of a column').flag('--time-column <name>').on(...trains, 'evaluate').example('date')
    .says('the column of times: the latest share is used for validation'),
  seed: int(0, 2 ** 32 - 1).flag('--seed <n>').group('Run').default(42, 'the same seed gives the same run')
    .says('the seed of split, order, augmentation and head'),
  maxDamaged: number({ from: 0, to: 1 }, 'a share').flag('--max-damaged <share>').on(...drawn, 'evaluate').default(0.05, 'some bad files are usual; more are more likely a broken copy')
    .says('stop if a larger share of the files is damaged'),
})

/** Every option for labels and splits. */
export const labelOptions = { ...labelSourceOptions, ...splitOptions }

/** How labelled samples are split, and how many files may be damaged. */
export type FolderOptions = Options<
  Pick<typeof labelOptions, 'valid' | 'seed' | 'folds' | 'fold' | 'groupRegex' | 'maxDamaged' | 'maxLeftOut'>
>

/** Where labels come from and how samples are split. docs/options.md lists each option with its range and default. */
export type LabelOptions = Options<typeof labelOptions>

// biome-ignore format: one option, one line or two
/** Which labelled samples a trained model is evaluated on. */
export const evaluationOptions = group('Training and validation', ['evaluate'], {
  part: choice('train', 'valid', 'test', 'all').flag('--part <name>').otherwise('test, else valid')
    .says('the part to evaluate on, where there are several'),
  leaveOut: bool().flag('--leave-out').says('leave out labels that the model does not know, instead of refusing them'),
})
