import { Command, CommanderError } from 'commander'
import { AnnealError, didYouMean, OptionError } from '../base/errors.ts'
import { cacheError, refusals } from '../base/files.ts'
import type { Options, OptionTable } from '../base/option-table.ts'
import { nameOptionsAsTyped } from '../base/options.ts'
import type { commandFlags } from './options.ts'
import { outlivesHangUp, watchOutput } from './output.ts'
import { flat, printable } from './style.ts'

const asksVersion = 'anneal.version'
const program = new Command('anneal')
  .description(
    'Trains good classifiers of pictures, tables, texts and sounds, and ships them: the five easy steps of fast.ai, on libtorch.',
  )
  .option('-v, --version', 'show the version')
  .option('--debug', 'show stack traces')
  .configureHelp({ showGlobalOptions: true })
  .showSuggestionAfterError(true)
  .exitOverride()
  .on('option:version', () => {
    throw new CommanderError(0, asksVersion, '')
  })

/** Gives a command its flags. */
const giveFlags = new Map<string, () => Promise<void>>()

/** A command, the table of its options, and what it does: given its options, the flags that only it has, and its arguments.
 *  The command that is called gets its flags then, and loads its code when it runs, so that help and listings start at once. */
function does<K extends keyof typeof commandFlags, O extends OptionTable, A extends unknown[]>(
  name: K,
  command: Command,
  load: () => Promise<O>,
  run: (options: Options<O>, flags: Options<(typeof commandFlags)[K]>, ...args: A) => Promise<void>,
): void {
  giveFlags.set(name, async () => {
    const { commandFlags, takes, typedOptions } = await import('./options.ts')
    const options = await load()
    const flags: (typeof commandFlags)[K] = commandFlags[name]
    takes(command, { ...options, ...flags }).action(async (...args: unknown[]) => {
      const given = args.slice(0, -2) as A // then commander's own options, and the command
      await run(typedOptions(command, options), typedOptions(command, flags), ...given)
    })
  })
}

const optionTables = async () => (await import('../api/options.ts')).optionTables
const tableTables = () => import('../tabular/options.ts')
const noOptions = async () => ({})

does(
  'train',
  program
    .command('train')
    .description(
      'train on pictures, texts or sounds (class folders, a table, or file names), or on the rows of a table (--target)',
    )
    .argument(
      '[folder]',
      'class folders, also inside train, validation and test; the files that --labels names; or a table, with --target',
    )
    .addHelpText(
      'after',
      `
Examples:
  npx anneal train photos
  npx anneal train photos --labels labels.csv --augment auto
  npx anneal train photos --labels ages.csv --targets age --loss huber
  npx anneal train cells --channel-files _DAPI,_GFP --like different
  npx anneal train houses.csv --target price
  npx anneal train reviews.csv --text review --target stars
  npx anneal train recordings
  npx anneal train photos --config runs/NAME/config.json --epochs 16
  npx anneal train --resume runs/NAME
  npx anneal train --resume runs/NAME --data /moved/photos`,
    ),
  async () => ({ ...(await optionTables()).train, ...(await tableTables()).tableOnlyOptions }),
  async (options, flags, folder: string | undefined) => (await import('./train.ts')).train(folder, options, flags),
)

does(
  'demo',
  program
    .command('demo')
    .description(
      'train on an embedded default: photos of food, nine groups; or a table (--table), texts (--text), recordings (--sound)',
    ),
  async () => (await optionTables()).demo,
  async (options, { table, text, sound, ...flags }) => {
    const asked = Object.entries({ table, text, sound }).flatMap(([name, is]) => (is ? [`--${name}`] : []))
    if (asked.length > 1)
      throw new OptionError(`demo: got ${asked.join(' and ')}; give one of them, for one demo at a time`, {
        exitCode: 2,
      })
    if (table) return (await import('./demo-table.ts')).demoTable(options, flags)
    if (text) return (await import('./demo-text.ts')).demoText(options, flags)
    if (sound) return (await import('./demo-sound.ts')).demoSound(options, flags)
    return (await import('./demo.ts')).demo(options, flags)
  },
)

does(
  'evaluate',
  program
    .command('evaluate')
    .description(
      'how a trained model does on labelled pictures, texts, sounds or rows of a table that it was not trained on',
    )
    .argument('<run>', 'a run folder, or a saved model')
    .argument('<folder>', 'class folders, or files with --labels; for a run on a table: a table'),
  async () => ({ ...(await tableTables()).tableCalls.evaluateTable, ...(await optionTables()).evaluate }),
  async (options, flags, run: string, folder: string) =>
    (await import('./evaluate.ts')).evaluate(run, folder, options, flags),
)

does(
  'predict',
  program
    .command('predict')
    .description('label pictures, texts, sounds, or the rows of a table, with a trained model')
    .argument('<run>', 'a run folder, or a saved model')
    .argument('<paths...>', 'files, or folders of files; for a run on a table: a table')
    .addHelpText(
      'after',
      `
Examples:
  npx anneal predict runs/NAME photos
  npx anneal predict runs/NAME houses.csv --out scores.parquet`,
    ),
  async () => ({ ...(await tableTables()).tableCalls.predictTable, ...(await optionTables()).predict }),
  async (options, flags, run: string, paths: string[]) =>
    (await import('./predict.ts')).predict(run, paths, { ...options, ...flags }),
)

does(
  'export',
  program
    .command('export')
    .description(
      'write a trained model as one ONNX file, raw data in and answers out, checked against the trained model',
    )
    .argument('[run]', 'a run folder, or a saved model; with --check it may be left out')
    .option('--no-check', 'write the file without comparing it with the trained net')
    .addHelpText(
      'after',
      `
Examples:
  npx anneal export runs/NAME
  npx anneal export runs/NAME --out model.onnx --weights float16
  npx anneal export runs/NAME --page page
  npx anneal export runs/NAME --single-file page.html --examples 8
  npx anneal export runs/NAME --check model.onnx
  npx anneal export --check model.onnx
  npx anneal export runs/NAME --to docker`,
    ),
  noOptions,
  async (_, flags, run: string | undefined) => (await import('./export.ts')).exportCommand(run, flags),
)

does(
  'augment',
  program
    .command('augment')
    .description('draw pictures as training would see them, before any training: a contact sheet')
    .argument('<folder>', 'class folders, pictures with --labels, or a folder of pictures'),
  async () => (await optionTables()).augment,
  async (options, flags, folder: string) => (await import('./augment.ts')).augment(folder, options, flags),
)

does(
  'runs',
  program.command('runs').description('list runs with their result').argument('[folder]', 'where the runs are', 'runs'),
  noOptions,
  async (_, flags, folder: string) => (await import('./runs.ts')).runs(folder, flags),
)

program
  .command('report')
  .description("draw a run's report.html again")
  .argument('<run>', 'a run folder')
  .action(async (run: string) => (await import('./report.ts')).report(run))

does(
  'clean',
  program
    .command('clean')
    .description(
      'look at likely wrong labels, near copies and hard pictures, texts or recordings of a run; decide what to leave out',
    )
    .argument('<run>', 'a run folder'),
  noOptions,
  async (_, flags, run: string) => (await import('./clean.ts')).clean(run, flags),
)

does(
  'serve',
  program
    .command('serve')
    .description('answer over HTTP with an exported model: curl, Open Inference Protocol, a page to try it')
    .argument('<run>', 'a run folder (exported first if it has no model.onnx), or an exported file')
    .addHelpText(
      'after',
      `
Examples:
  npx anneal serve runs/NAME
  curl --data-binary @cat.jpg localhost:8080/predict             # a model of pictures
  curl -d '{"age": 39, "city": "Rome"}' localhost:8080/predict    # a model of a table
  ANNEAL_TOKEN=… npx anneal serve model.onnx --host 0.0.0.0 --max-batch 16`,
    ),
  async () => (await import('../serve/options.ts')).handlerOptions,
  async (options, flags, run: string) => (await import('./serve.ts')).serve(run, options, flags),
)

does(
  'doctor',
  program.command('doctor').description('what was found on this machine, and what to do about what is missing'),
  noOptions,
  async (_, flags) => (await import('./doctor.ts')).doctorCommand(flags),
)

does(
  'bench',
  program
    .command('bench')
    .description('how fast this machine trains a model, by which kernels and precision, and what would be faster'),
  async () => (await import('../speed/options.ts')).benchOptions,
  async (options, flags) => (await import('./bench.ts')).bench(options, flags),
)

does(
  'shard',
  program
    .command('shard')
    .description('write labelled pictures into tars (WebDataset) that train reads like the folder')
    .argument('<folder>', 'what `anneal train` takes; with --check a folder of tars')
    .addHelpText(
      'after',
      `
Examples:
  npx anneal shard photos --out shards
  npx anneal shard photos --labels labels.csv --out shards --size 1GB
  npx anneal shard shards --check
  npx anneal train shards
  npx anneal train 'shards/shard-{000000..000007}.tar'`,
    ),
  async () => (await optionTables()).shard,
  async (options, flags, folder: string) => (await import('./shard.ts')).shard(folder, options, flags),
)

does(
  'launch',
  program
    .command('launch')
    .description('start a command as several ranks that train together, on this machine or on several')
    .usage('[options] COMMAND…')
    .addHelpText(
      'after',
      `
Examples:
  npx anneal launch --nproc 2 train photos --epochs 8
  npx anneal launch --nproc 2 --max-restarts 3 --log-dir logs -- train photos
  npx anneal launch --nproc 2 train --resume runs/NAME
  npx anneal launch --nproc 8 --nnodes 2 --node-rank 0 --master-addr 10.0.0.1 train photos
  npx anneal launch --nproc 2 node train.mjs`,
    ),
  async () => (await import('../launch/options.ts')).launchOptions,
  async options => (await import('./launch.ts')).launchCommand(rankCommand, options),
)

/** The command line without what `anneal launch` starts, which has options of its own. */
async function withoutRankCommand(argv: readonly string[]): Promise<string[]> {
  const at = argv.findIndex((word, i) => i >= 2 && !word.startsWith('-'))
  if (argv[at] !== 'launch') return [...argv]
  const { divide } = await import('../launch/command-line.ts')
  const { own, command } = divide(argv.slice(at + 1), (await import('../launch/options.ts')).launchOptions)
  rankCommand = command
  return [...argv.slice(0, at + 1), ...own]
}
let rankCommand: string[] = []

program
  .command('setup')
  .description('find or fetch libtorch and build the addon')
  .action(async () => (await import('./setup.ts')).setup())

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
      throw new OptionError(`unknown command "${first}"; expected ${known.join(', ')}.${didYouMean(first, known)}`, {
        exitCode: 2,
      })
    if (process.env.ANNEAL_LAUNCH !== undefined || process.env.npm_lifecycle_event === 'npx')
      (await import('../launch/launched.ts')).watchStarter({ outlivesHangUp })
    const argv = await withoutRankCommand(process.argv)
    for (const word of new Set(argv.slice(2))) await giveFlags.get(word)?.()
    await program.parseAsync(argv)
  }
} catch (error) {
  if (!(error instanceof CommanderError)) fail(error, process.argv.includes('--debug'))
  else if (error.code === asksVersion) process.stdout.write(`${(await import('../base/version.ts')).version()}\n`)
  else if (error.exitCode !== 0) process.exit(2) // commander has said why
}
