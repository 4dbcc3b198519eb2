import { type Command, Option } from 'commander'
import { bool, choice, int, list, number, off, or, path, text } from '../base/option-kinds.ts'
import { byGroup, checkValues, flagNames, group, helpOf, type Options, type OptionTable } from '../base/option-table.ts'
import { nameOptionsAsTyped } from '../base/options.ts'

// biome-ignore format: one option, one line or two
/** Flags that only the command has, beside the options of its call. */
export const commandFlags = {
  train: group('Run', ['train'], {
    config: path('the path of a JSON file').flag('--config <file>').example('train.json')
      .says('take options from this JSON file (docs/options.md), or from the config.json of a run; flags win over the file'),
    resume: path('the path of a run').flag('--resume <run>').example('runs/NAME')
      .says('continue a run that was stopped or killed'),
    data: path('the path of a folder').flag('--data <folder>').example('photos')
      .says('with --resume: where the data of the run have moved to (--labels: its table)'),
    json: bool().flag('--json').says('print events as JSON lines on stdout, the result last'),
  }),
  demo: group('Run', ['demo'], {
    table: bool().flag('--table').says('train on a table instead: reports of bird strikes, with a leak, a time split and a rare class'),
    text: bool().flag('--text').says('train on texts instead: 3,000 sentences from reviews, good or bad'),
    sound: bool().flag('--sound').says('train on recordings instead: 95 sounds of drums in five classes'),
    json: bool().flag('--json').says('print events as JSON lines on stdout, the result last'),
  }),
  evaluate: group('Run', ['evaluate'], { json: bool().flag('--json').says('print one JSON object') }),
  predict: group('Run', ['predict'], {
    json: bool().flag('--json').says('print one JSON line per sample: file, label, probability, probabilities, precision; per row of a table: row, label, probability, probabilities'),
    out: path('the path of a .csv or .parquet file, or of a database').flag('--out <file>').example('scores.csv')
      .says('for a table: write the scores into this file, .csv or .parquet, or into a table of this database, .duckdb, .sqlite or .db'),
    outTable: text('the name of a table').flag('--out-table <name>').example('scores')
      .says('for a table: the table of the database that the scores go into').otherwise('predictions'),
    replace: bool().flag('--replace').says('for a table: replace a table of this name that the database holds already; else that is an error'),
    keep: list(text('the name of a column', 'names of columns'), { least: 1 }).flag('--keep <names>').example(['id'])
      .says("for a table: the columns that stand beside the scores; '*' for all").otherwise('the identifiers'),
  }),
  export: group('Export', ['export'], {
    out: path('the path of a .onnx file').flag('--out <file>').otherwise("model.onnx in the run's folder").example('model.onnx')
      .says('the file to write; with --to the folder'),
    to: choice('docker', 'lambda', 'worker', 'transformers').flag('--to <target>').otherwise('the file alone')
      .says('write a folder that runs the model there, with README and test'),
    net: bool().flag('--net').says('write the net alone (net.onnx): from normalised pixels, the tokens of one window, or the spectra of a window'),
    weights: choice('float32', 'float16', 'int8').flag('--weights <type>').default('float32')
      .says('how the weights are stored: fewer bytes to download; the file computes in float32'),
    quantize: bool().flag('--quantize')
      .says('compute with integers: int8 weights and values, ranges from training samples; layers that lose most stay float32'),
    check: or(path('the path of a .onnx file'), off()).flag('--check <file>').example('model.onnx')
      .says('check this exported file on this machine, against the trained net where its run is given; write nothing'),
    page: path('the path of a folder').flag('--page <folder>').example('page')
      .says('write a page that tries the model in a browser: a folder for a web server'),
    singleFile: path('the path of a .html file').flag('--single-file <file>').example('page.html')
      .says('write that page as one HTML file with the model in it, which opens by a double click, offline'),
    examples: int(0, 100).flag('--examples <n>').default(0, 'samples may be private, and everyone who gets the page sees them')
      .says('with a page of pictures, texts or sounds: put so many validation samples into it, pictures small and without metadata, texts whole, of sounds 10 s').example(8),
    data: path('the path of a folder').flag('--data <folder>').example('photos').says('where the pictures or the table of the run have moved to'),
    runtimes: list(choice('onnxruntime-node', 'onnxruntime-web'), { least: 1 }).flag('--runtimes <names>').otherwise('onnxruntime-node,onnxruntime-web')
      .example(['onnxruntime-node']).says('the runtimes of the check'),
    json: bool().flag('--json').says('print one JSON object'),
  }),
  augment: group('Sheet', ['augment'], {
    out: path('the path of a .png or .jpg file').flag('--out <file>').default('augment.png').says('the file of the sheet, .png or .jpg'),
  }),
  bench: group('Run', ['bench'], { json: bool().flag('--json').says('print one JSON object') }),
  launch: {},
  shard: group('Shards', ['shard'], {
    out: path('the path of a folder').flag('--out <folder>').example('shards').says('the folder for the tars, which does not exist yet'),
    size: text('a size such as 256MB', 'sizes', /^\d+(\.\d+)?\s*[kmg]b$/i).flag('--size <size>').default('256MB').says('a tar is closed before it grows over this size: KB, MB or GB'),
    orderSeed: int(0, 2 ** 32 - 1).flag('--order-seed <n>').default(42).says('the seed by which samples are shuffled before they are written'),
    check: bool().flag('--check').says('compare the tars of this folder with the digests in its index; write nothing'),
  }),
  runs: group('Run', ['runs'], { json: bool().flag('--json').says('print one JSON line per run') }),
  doctor: group('Run', ['doctor'], { json: bool().flag('--json').says('print one JSON object') }),
  clean: group('Run', ['clean'], {
    list: bool().flag('--list').says('print them instead of opening a page'),
    json: bool().flag('--json').says('print them as JSON lines'),
    decide: path('the path of a file').flag('--decide <file>').example('clean.jsonl')
      .says('take decisions from JSON lines: file, action (keep, drop, relabel), label; - reads stdin'),
    port: int(0, 65535).flag('--port <n>').otherwise('any free one').example(8080).says('the port of the review page, on the loopback address'),
  }),
  serve: group('Server', ['serve'], {
    port: int(0, 65535).flag('--port <n>').default(8080).says('the port; 0 is any free one'),
    host: text('an address of this machine').flag('--host <address>').default('127.0.0.1', 'only this machine reaches it')
      .says('the address to listen on; 0.0.0.0 is open to others'),
    shadow: path('the path of a run or a file').flag('--shadow <run>').example('runs/NAME')
      .says('another run or model.onnx that answers the same pictures or rows; disagreements are counted and printed'),
    threads: int(1, 1024).flag('--threads <n>').otherwise("onnxruntime's choice").example(4).says('the threads of the net'),
    maxConnections: int(1, 100_000).flag('--max-connections <n>').default(1000).says('further connections are closed, but for those that ask for /v2/health or /metrics'),
    drainWait: number({ from: 0, to: 3600 }, 'seconds').flag('--drain-wait <seconds>').default(1)
      .says('after SIGTERM, how long requests are still taken while `ready` says 503: the time between two probes'),
    grace: number({ from: 0, to: 3600 }, 'seconds').flag('--grace <seconds>').default(25, 'Kubernetes kills after 30')
      .says('after SIGTERM, how long open requests may take in all'),
  }),
} as const satisfies Record<string, OptionTable>

/** Gives a command the flags of a table, under the headings of their groups; messages name options by them. */
export function takes(command: Command, table: OptionTable): Command {
  nameOptionsAsTyped(flagNames(table))
  for (const [, entry] of byGroup(table))
    for (const [flag, help] of flagLines(entry)) {
      const option = new Option(flag, help).argParser(entry.kind.read.bind(entry.kind))
      command.addOption(option.helpGroup(`${entry.facts.group}:`))
    }
  return command
}

/** `--size <pixels>` and its help; of `--[no-]bn-freeze` both flags. */
function flagLines(entry: OptionTable[string]): [flag: string, help: string][] {
  const { flag, off = '' } = entry.facts
  if (flag === undefined) return []
  if (flag.startsWith('--no-')) return [[flag, off]]
  const [, name] = /^--\[no-\](.*)/.exec(flag) ?? []
  if (name === undefined) return [[flag, helpOf(entry)]]
  return [
    [`--${name}`, helpOf(entry)],
    [`--no-${name}`, off],
  ]
}

/** What was typed on the command line of a table's options; refuses values that do not fit. */
export function typedOptions<T extends OptionTable>(command: Command, table: T): Options<T> {
  const given: Record<string, unknown> = {}
  for (const [name, { facts }] of Object.entries(table)) {
    const attribute = facts.flag && new Option(facts.flag.replace('[no-]', '')).attributeName()
    if (attribute && command.getOptionValueSource(attribute) === 'cli') given[name] = command.getOptionValue(attribute)
  }
  checkValues(table, given)
  return given as Options<T>
}
