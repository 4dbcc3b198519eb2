import { bool, choice, int, list, number, path, text } from '../base/option-kinds.ts'
import { group, type Options, takenBy } from '../base/option-table.ts'
import type { TableModelName } from './types.ts'

const trains = ['table'] as const
const reads = ['table', 'evaluateTable', 'predictTable'] as const

const columns = () => list(text('the name of a column', 'names of columns'), { least: 1 })

// biome-ignore format: one option, one line or two
/** Options that only tables of samples have. */
export const tableOnlyOptions = {
  ...group('Tables', trains, {
    target: columns().flag('--target <names>').example(['price'])
      .says('train on the rows of a table: the column to predict, or several columns of numbers: a,b; with a comma in a name \'"a, b"\''),
    as: list(text('column=kind, with number, category, boolean, date, text, id or constant', 'texts such as zip=category', /^.+=(number|category|boolean|date|text|id|constant)$/s), { least: 1 }).flag('--as <column=kind>').example(['zip=category'])
      .says('what a column of a table is used as: number, category, boolean, date, text, id, constant; repeat the flag for more columns').otherwise('found by its content'),
    drop: columns().flag('--drop <names>').example(['id']).says('leave these columns of a table out'),
    only: columns().flag('--only <names>').example(['age', 'income']).says('use these columns of a table alone'),
    log: bool().flag('--log').says('regression on a table: train on log(1 + y), for errors in percent'),
    test: number({ above: 0, below: 1 }, 'a share', 'shares').flag('--test <share>').example(0.2)
      .says('keep this share of the rows of a table for a test after training').otherwise('none'),
    positive: text('the name of a class').flag('--positive <class>').example('yes')
      .says('of two classes in a table, the one that average precision, F1 and the threshold are for').otherwise('the rarer one'),
    members: int(1, 64).flag('--members <n>').example(4)
      .says('nets of a table that are trained at once and averaged; two take 1.5 times as long as one, where there are two threads').otherwise('1'),
  }),
  ...group('Tables', reads, {
    sql: text('a SELECT statement').flag('--sql <query>').example('SELECT * FROM data')
      .says('take the rows of this SELECT over the table; a file is named data'),
    table: text('the name of a table').flag('--table <name>').example('sales').says('the table of a database file'),
    header: bool().flag('--[no-]header', 'the first line of a table holds values').otherwise('found in its first lines')
      .says('the first line of a table holds the names of columns'),
    dateOrder: choice('dmy', 'mdy', 'ymd').flag('--date-order <order>').says('the order of day and month in dates of numbers').otherwise('found in the cells'),
    skipBadRows: bool().flag('--skip-bad-rows').says('leave out rows of a table with too few or too many cells, and count them; else they are an error'),
  }),
}

/** Options that tables share with other kinds of data; the command has them once, with the words of both. */
// biome-ignore format: one option, one line or two
const sharedOptions = {
  ...group('Tables', trains, {
    model: choice('both', 'realmlp', 'tabm', 'mlp', 'trees', 'auto').flag('--model <name>').default('both', 'a net and trees, weighted on validation rows, beat either alone')
      .says('the model: both, realmlp, tabm, mlp or trees'),
    task: choice('single', 'regression').flag('--task <kind>').says('single (classes) or regression (numbers)').otherwise('found by the target'),
    valid: number({ above: 0, below: 1 }, 'a share', 'shares').flag('--valid <share>').default(0.2).says('the share of the rows that validate'),
    folds: int(2, 100).flag('--folds <n>').example(5).says('cross-validation: train n times, each time with other rows for validation, and average the models'),
    fold: int(0).flag('--fold <i>').says('train this fold alone, counted from 0'),
    splitColumn: text('the name of a column').flag('--split-column <name>').example('part').says('the column of train, valid and test'),
    groupColumn: text('the name of a column').flag('--group-column <name>').example('patient').says('rows with the same value of this column stay in one part'),
    timeColumn: text('the name of a column').flag('--time-column <name>').example('date').says('the latest rows by this column validate'),
    seed: int(0, 2 ** 32 - 1).flag('--seed <n>').default(42, 'the same seed gives the same run').says('the seed of split, order and weights'),
    epochs: int(1).flag('--epochs <n>').example(64).otherwise('256 for realmlp, at most 256 for tabm, by rows for mlp').says('epochs of a net'),
    lr: number({ above: 0, to: 100 }, 'a rate').flag('--lr <rate>').example(0.04).says('the learning rate of a net').otherwise("the model's own"),
    minutes: number({ above: 0 }, 'a number of minutes').flag('--minutes <n>').example(5).says('training ends after so many minutes, with the best weights so far'),
    thresholdFor: choice('f1', 'f2', 'f0.5', 'accuracy').flag('--threshold-for <metric>').otherwise('f1 where the positive class is rare, else 0.5')
      .says('two classes: the metric that the threshold is chosen for'),
    out: path('the path of a folder').flag('--out <folder>').example('runs/first').says('the folder of the run').otherwise('runs/DATE-MODEL-N'),
  }),
  ...group('Tables', reads, {
    missing: list(text('a word', 'words', /^/)).flag('--missing <words>').example(['nan', 'NULL']).says('the words that mean a missing value; empty cells always do').otherwise('NA, NaN, null and the like'),
    decimal: choice('.', ',').flag('--decimal <sign>').says('the decimal sign of numbers').otherwise('found in the cells'),
    delimiter: text('the text between two cells').flag('--delimiter <text>').example(';').says('the sign between two cells of a CSV file').otherwise('found in the first lines'),
  }),
}

/** All options for tables of samples. */
export const tableOptions = { ...tableOnlyOptions, ...sharedOptions }

/** The table of options of each call. */
export const tableCalls = {
  trainTable: takenBy(tableOptions, 'table'),
  evaluateTable: takenBy(tableOptions, 'evaluateTable'),
  predictTable: takenBy(tableOptions, 'predictTable'),
}

/** Options of training on a table. `target` is needed. Ranges and defaults: docs/options.md. */
export interface TableOptions extends Omit<Options<typeof tableCalls.trainTable>, 'model'> {
  model?: TableModelName | 'auto' | undefined
}

/** How a table is read that a trained model predicts or is evaluated on. */
export interface TableReadOptions extends Options<typeof tableCalls.predictTable> {}
