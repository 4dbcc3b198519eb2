import { Command, CommanderError, Option } from 'commander'
import { AnnealError, didYouMean } from '../base/errors.ts'
import { cacheError, refusals } from '../base/files.ts'
import { listed, nameOptionsAsTyped } from '../base/options.ts'
import { outlivesHangUp, watchOutput } from './output.ts'
import { flat, printable } from './style.ts'

const program = new Command('anneal')
  .description('Trains good image classifiers, and ships them: the five easy steps of fast.ai, on libtorch.')
  .option('--debug', 'show stack traces')
  .configureHelp({ showGlobalOptions: true })
  .showSuggestionAfterError(true)
  .exitOverride()

const none = (value: string) => (value === 'none' ? false : value)
// What is no number stays as it was typed, for the error that refuses it.
const number = (value: string) => (value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value))
const many = (value: string) => value.split(',').map(number)
const weights = (value: string) => (/^[\d.,e+-]+$/.test(value) ? many(value) : value)
const list = (value: string, before: string[] = []) => [...before, ...listed(value)]
const rates = (value: string) => (value.includes(',') ? many(value) : number(value))

// Each command's code is loaded when it is called, so that help and listings start at once.
const lazy =
  <T extends unknown[]>(load: () => Promise<(...args: T) => Promise<void>>) =>
  async (...args: T) =>
    (await load())(...args)

const training = (command: Command) =>
  command
    .optionsGroup('Pictures:')
    .option('--valid <share>', 'share kept for validation where there is no such folder (default: 0.2)', number)
    .option('--folds <n>', 'train n times, each validated on another part, and average the nets', number)
    .option('--fold <i>', 'train this one alone, from 0: of --folds, or of a column of fold numbers', number)
    .option('--channels <how>', 'auto, rgb, copy (up to three) or keep (the first convolution is adapted)')
    .option('--channel-files <endings>', 'a picture lies in one file a channel: _DAPI,_GFP', list)
    .option('--clean <file>', 'decisions of anneal clean: what to drop and to relabel')
    .option('--max-damaged <share>', 'more damaged pictures than this stop the run (default: 0.05)', number)
    .option('--size <pixels>', "side of the pictures in pixels (default: the model's own)", number)
    .option('--sizes <pixels>', 'train through several sizes, small ones first: 128,224,288', many)
    .option('--test-size <pixels>', 'predict at this size, where that validates no worse', number)
    .optionsGroup('Augmentation:')
    .option(
      '--augment <name>',
      'side-on, top-down, medical, none, or auto to find out; settings behind it: side-on,maxWarp=0.2 (default: side-on)',
    )
    .option('--mixup <alpha>', "mix pictures in pairs: 0.4 is fastai's", number)
    .option('--cutmix <alpha>', "patch pictures into each other: 1 is fastai's", number)
    .option(
      '--views <n>',
      'augmented views of each picture in the frozen phase (default: 4; over random weights there is no such phase unless asked)',
      number,
    )
    .optionsGroup('Model:')
    .option('--model <name>', 'model by its torchvision or timm name, or auto', 'auto')
    .option('--weights <file>', 'pretrained weights of this model, .safetensors or .pth')
    .option('--no-pretrained', 'begin from random weights: the whole net at once, at a rate that is found for it')
    .option('--hidden <widths>', "hidden layers of the head: 512 is fastai's (default: none)", many)
    .option('--dropout <share>', 'dropout of the head (default: 0.5)', number)
    .option('--bn-freeze', 'keep the statistics of BatchNorm (default: below 20,000 pictures, or 32 a step)')
    .option('--no-bn-freeze', 'let them follow the batch')
    .optionsGroup('Steps:')
    .option(
      '--epochs <n>',
      'epochs of the whole net at most; 0 trains the head alone (default: 8 without --minutes, fewer where it overfits)',
      number,
    )
    .option('--minutes <n>', 'minutes after which no further cycle begins', number)
    .option('--head-cycles <n>', 'cycles of one epoch for the head (default: 3)', number)
    .option('--cycle-len <epochs>', 'epochs of the first cycle of the whole net (default: 2)', number)
    .option('--cycle-mult <n>', 'how much longer each cycle is (default: 1, longer where the net underfits)', number)
    .option('--batch <n>', 'pictures a step (default: 32)', number)
    .optionsGroup('Rates and loss:')
    .option(
      '--lr <rate>',
      "rate of the whole net, or one a layer group: 1e-5,1e-4,1e-3 (default: a tenth of the head's)",
      rates,
    )
    .option('--head-lr <rate>', 'rate of the head in the frozen phase (default: found)', number)
    .option('--factor <n>', 'how much lower the rate of each earlier group is (default: by --like)', number)
    .option(
      '--like <what>',
      "imagenet (factor 3), different (factor 10: medical, satellite) or the factor itself (default: auto, measured on the body's statistics)",
      number,
    )
    .addOption(new Option('--optimizer <name>', 'optimizer (default: adamw)').choices(['adamw', 'adam', 'sgd']))
    .option('--weight-decay <n>', 'weight decay (default: 0.01)', number)
    .option('--label-smoothing <share>', 'label smoothing (default: 0.1 for the whole net, 0 for the head)', number)
    .option('--loss <name>', 'focal; for numbers mse, mae or huber (default: cross-entropy, sigmoids, mse)')
    .option('--class-weights <how>', 'balanced, effective, or one number a class: rare classes count more', weights)
    .addOption(new Option('--sampling <how>', 'rare classes are seen more often').choices(['balanced']))
    .optionsGroup('After training:')
    .option('--threshold-for <metric>', 'what thresholds of several labels are found for: f1, f2, f0.5, accuracy')
    .option('--snapshots', "keep the net of each cycle's end, and save their average")
    .option('--swa', "try the mean of the weights of all cycles' ends")
    .option('--tta [views]', 'evaluate with test-time augmentation too, over 4 augmented views unless given', number)
    .option('--tta-max', 'the highest of all views instead of their mean')
    .optionsGroup('Run:')
    .option('--seed <n>', 'of split, order, augmentation and head (default: 42)', number)
    .addOption(
      new Option('--precision <type>', 'of convolutions and products (default: auto)').choices([
        'auto',
        'float32',
        'bfloat16',
        'float16',
      ]),
    )
    .option('--device <name>', 'cpu, cuda, cuda:1 (default: a GPU where there is one)')
    .option('--out <folder>', "the run's folder (default: runs/DATE-MODEL-N)")
    .option('--json', 'events as JSON lines on stdout, the result as the last one')

/** The type of products of a trained model. */
const predictsIn = () =>
  new Option(
    '--precision <type>',
    'of convolutions and products (default: as the model was validated, where this machine has instructions for it)',
  ).choices(['float32', 'bfloat16'])

/** Where labels come from, for training and for evaluation. */
const labelling = (command: Command) =>
  command
    .optionsGroup('Labels:')
    .option('--labels <table>', 'labels from a table: CSV, TSV, JSON lines or Parquet')
    .option('--file-column <name>', 'the column that names the picture (default: found by its content)')
    .option(
      '--label-column <names>',
      'the column of labels, or one column a label (default: found): cat,dog; with a comma in a name \'"cat, big",dog\'; or once for each',
      list,
    )
    .option('--targets <names>', 'columns of numbers to predict, written the same way: regression', list)
    .option('--delimiter <text>', 'what stands between the labels of a cell (default: found)')
    .option(
      '--missing <words>',
      'words that mean a missing label or number (default: nan, NULL, N/A, None and such; empty cells always do)',
      list,
    )
    .addOption(
      new Option('--decimal <sign>', 'the sign before the fraction of numbers (default: found)').choices(['.', ',']),
    )
    .addOption(
      new Option('--minus-one <meaning>', 'what -1 means in label columns of 0 and 1 (default: asked)').choices([
        'absent',
        'present',
        'unknown',
      ]),
    )
    .option('--max-left-out <share>', 'more rows or pictures left out than this stop the run (default: 0.5)', number)
    .option('--label-regex <regex>', 'label from the file name: the first group of this regular expression')
    .addOption(
      new Option('--task <kind>', 'one class a picture, several labels, or numbers (default: found)').choices([
        'single',
        'multi',
        'regression',
      ]),
    )

training(labelling(program.command('train')))
  .optionsGroup('Pictures:')
  .option(
    '--split-column <name>',
    'the column of train, valid and test (default: found; none for no such column)',
    none,
  )
  .option('--group-column <name>', 'the column of what must not lie on both sides: patient, day')
  .option('--group-regex <regex>', 'the same from the file name: its first group')
  .option('--time-column <name>', 'the latest share by this column validates')
  .description('train a classifier on pictures: class folders, a table, or file names')
  .argument('[folder]', 'class folders, also inside train, validation and test; or the pictures that --labels names')
  .optionsGroup('Run:')
  .option('--resume <run>', 'go on with a run that was stopped or killed')
  .option('--data <folder>', 'with --resume: where its pictures have moved to (--labels: its table)')
  .addHelpText(
    'after',
    `
Examples:
  npx anneal train photos
  npx anneal train photos --labels labels.csv --augment auto
  npx anneal train photos --labels ages.csv --targets age --loss huber
  npx anneal train cells --channel-files _DAPI,_GFP --like different
  npx anneal train --resume runs/NAME
  npx anneal train --resume runs/NAME --data /moved/photos`,
  )
  .action(lazy(async () => (await import('./train.ts')).train))

training(program.command('demo'))
  .description('train on an embedded default: photos of food, nine groups')
  .action(lazy(async () => (await import('./demo.ts')).demo))

labelling(program.command('evaluate'))
  .description('how a trained classifier does on labelled pictures that it was not trained on')
  .argument('<run>', 'a run folder, or a saved model')
  .argument('<folder>', 'class folders, or pictures with --labels')
  .optionsGroup('Pictures:')
  .option('--split-column <name>', 'the column of train, valid and test', none)
  .addOption(
    new Option('--part <name>', 'which part, where there are several (default: test)').choices([
      'train',
      'valid',
      'test',
      'all',
    ]),
  )
  .option('--leave-out', 'leave out labels that the model does not know')
  .optionsGroup('Run:')
  .option('--batch <n>', 'pictures at a time (default: 32)', number)
  .addOption(predictsIn())
  .option('--device <name>', 'cpu, cuda, cuda:1 (default: cpu)')
  .option('--json', 'one JSON object')
  .action(lazy(async () => (await import('./evaluate.ts')).evaluate))

program
  .command('predict')
  .description('label pictures with a trained classifier')
  .argument('<run>', 'a run folder, or a saved model')
  .argument('<paths...>', 'pictures, or folders of pictures')
  .option('--top <n>', 'how many labels a picture', number, 1)
  .addOption(predictsIn())
  .option('--json', 'one JSON line a picture: file, label, probability, probabilities, precision')
  .action(lazy(async () => (await import('./predict.ts')).predict))

labelling(program.command('augment'))
  .description('draw pictures as training would see them, before any training: a contact sheet')
  .argument('<folder>', 'class folders, pictures with --labels, or a folder of pictures')
  .optionsGroup('Sheet:')
  .option('--augment <name>', 'as for train; auto finds out what makes sense and prints why (default: side-on)')
  .option('--size <pixels>', 'side of the pictures in pixels (default: 224)', number)
  .option('--pictures <n>', 'how many pictures, one a row (default: 6)', number)
  .option('--views <n>', 'how many augmented views of each (default: 5)', number)
  .option('--seed <n>', 'of what is drawn (default: 42)', number)
  .option('--model <name>', 'for auto: whose frozen features judge')
  .option('--weights <file>', 'for auto: its pretrained weights')
  .option('--out <file>', 'where the sheet goes, .png or .jpg', 'augment.png')
  .action(lazy(async () => (await import('./augment.ts')).augment))

program
  .command('runs')
  .description('list runs with their result')
  .argument('[folder]', 'where the runs are', 'runs')
  .option('--json', 'one JSON line a run')
  .action(lazy(async () => (await import('./runs.ts')).runs))

program
  .command('report')
  .description("draw a run's report.html again")
  .argument('<run>', 'a run folder')
  .action(lazy(async () => (await import('./report.ts')).report))

program
  .command('clean')
  .description('look at likely wrong labels, near-duplicates and hard pictures of a run; decide what to leave out')
  .argument('<run>', 'a run folder')
  .option('--list', 'print them instead of serving a page')
  .option('--json', 'print them, one JSON line each')
  .option('--decide <file>', 'take decisions from JSON lines: file, action (keep, drop, relabel), label; - reads stdin')
  .option('--port <n>', 'of the review page, on the loopback address (default: any free one)', number)
  .action(lazy(async () => (await import('./clean.ts')).clean))

program
  .command('doctor')
  .description('what was found on this machine, and what to do about what is missing')
  .option('--json', 'as one JSON object')
  .action(lazy(async () => (await import('./doctor.ts')).doctorCommand))

program
  .command('bench')
  .description('how fast this machine trains a model, by which kernels and precision, and what would be faster')
  .option('--model <name>', 'model by its torchvision or timm name', 'tf_efficientnet_lite0')
  .option('--size <pixels>', "side of the pictures in pixels (default: the model's own)", number)
  .option('--batch <n>', 'pictures a step (default: 32)', number)
  .addOption(
    new Option('--precision <type>', 'what to measure: auto is all that the processor has').choices([
      'auto',
      'float32',
      'bfloat16',
    ]),
  )
  .option('--steps <n>', 'how many steps of each kind are timed (default: 6)', number)
  .option('--json', 'one JSON object')
  .action(lazy(async () => (await import('./bench.ts')).bench))

program
  .command('setup')
  .description('find or fetch libtorch and build the addon')
  .action(lazy(async () => (await import('./setup.ts')).setup))

/** Prints an error for a person: one line and its causes, without a stack unless asked. */
function fail(error: unknown, debug: boolean): never {
  const e = error as Error
  if (debug) process.stderr.write(`${e.stack ?? e}\n`)
  else {
    process.stderr.write(`anneal: ${printable(isSystem(e) ? plainly(e) : e.message).join('\n')}\n`)
    let cause = e.cause as Error | undefined
    for (let said = e.message; cause instanceof Error; cause = cause.cause as Error | undefined) {
      if (!said.includes(cause.message)) process.stderr.write(`  caused by: ${flat(cause.message.split('\n')[0]!)}\n`)
      said = `${said} ${cause.message}`
    }
    if (!(e instanceof AnnealError) && !isSystem(e))
      process.stderr.write('  (this may be a fault of Anneal; --debug shows where)\n')
  }
  process.exit(e instanceof AnnealError ? e.exitCode : 1)
}

const isSystem = (error: Error): error is NodeJS.ErrnoException =>
  typeof (error as NodeJS.ErrnoException).syscall === 'string'

function asCacheError(error: NodeJS.ErrnoException): unknown {
  try {
    return cacheError(error)
  } catch {
    return error // no place for a cache is known
  }
}

/** What the system refused, in words. */
function plainly(error: NodeJS.ErrnoException): string {
  const cache = asCacheError(error)
  if (cache instanceof AnnealError) return cache.message
  const { code = '', message, path } = error
  if (error.syscall === 'uv_cwd')
    return 'the folder that this was started in is gone; change to one that exists (cd) and run it again'
  const reasons: Record<string, string> = {
    ...refusals,
    ENOSPC: 'the disk is full; make room and go on',
    EDQUOT: 'your quota on this disk is used; make room and go on',
    EFBIG: 'the file would be larger than a limit allows (ulimit -f)',
    EACCES: 'permission denied; choose a place that may be written to',
    EPERM: 'permission denied; choose a place that may be written to',
    EROFS: 'the disk can only be read; choose another place',
    ENOENT: 'no such file or folder',
    EMFILE: 'too many open files (ulimit -n)',
    ENFILE: 'too many open files in the whole system',
  }
  return Object.hasOwn(reasons, code) ? `${path === undefined ? '' : `${path}: `}${reasons[code]} (${code})` : message
}

watchOutput()
// Started by nohup, or by a service: what follows is to outlive its terminal. Node forgets that SIGHUP was ignored.
if (outlivesHangUp) process.on('SIGHUP', () => {})
nameOptionsAsTyped()

try {
  if (process.argv.length < 3) program.outputHelp()
  else {
    const known = program.commands.map(c => c.name())
    const first = process.argv.slice(2).find(a => !a.startsWith('-'))
    if (first !== undefined && first !== 'help' && !known.includes(first))
      throw new AnnealError(`unknown command "${first}"; expected ${known.join(', ')}.${didYouMean(first, known)}`, {
        exitCode: 2,
      })
    await program.parseAsync()
  }
} catch (error) {
  if (!(error instanceof CommanderError)) fail(error, process.argv.includes('--debug'))
  else if (error.exitCode !== 0) process.exit(2) // commander has said why
}
