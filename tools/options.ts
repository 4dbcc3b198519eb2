// Writes docs/options.md and schema/train.schema.json from the tables of options: `node --import tsx tools/options.ts`.
// test/recipes/option-docs.test.ts checks that both are up to date.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { optionTables, trainingOptions } from '../src/api/options.ts'
import { byGroup, helpOf, type OptionTable, takenBy } from '../src/base/option-table.ts'
import { commandFlags } from '../src/cli/options.ts'
import { launchOptions } from '../src/launch/options.ts'
import { handlerOptions } from '../src/serve/options.ts'
import { benchOptions } from '../src/speed/options.ts'
import { tableOnlyOptions, tableOptions } from '../src/tabular/options.ts'

type Entry = OptionTable[string]

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`

function optionRow([name, entry]: [string, Entry], withTakers: boolean): string {
  const { kind, facts } = entry
  const { text, why } = facts.default ?? {}
  const usual = text === undefined ? '' : `${text}${why ? `: ${why}` : ''}`
  const cells = [
    `\`${name}\``,
    facts.flag ? `\`${facts.flag}\`` : '',
    cell(kind.words),
    cell(usual),
    cell(facts.says ?? ''),
  ]
  return row(withTakers ? [...cells, (facts.takers ?? []).join(', ')] : cells)
}

/** One table a heading. */
function tables(table: OptionTable, { withTakers = false, level = 3 } = {}): string {
  const entries = byGroup(table)
  const groups = [...new Set(entries.map(([, { facts }]) => facts.group))]
  const head = ['option', 'flag', 'value', 'default', 'what it does', ...(withTakers ? ['taken by'] : [])]
  return groups
    .map(name => {
      const rows = entries.filter(([, { facts }]) => facts.group === name).map(e => optionRow(e, withTakers))
      return [`${'#'.repeat(level)} ${name}`, '', row(head), row(head.map(() => '---')), ...rows].join('\n')
    })
    .join('\n\n')
}

/** The options of a table that a set of others has not. */
const without = (table: OptionTable, others: OptionTable): OptionTable =>
  Object.fromEntries(Object.entries(table).filter(([name, entry]) => others[name] !== entry))

/** docs/options.md. */
export const optionsPage =
  (): string => `<!-- Written by tools/options.ts from the tables of options. Do not edit: \`node --import tsx tools/options.ts\` -->

# Options

Each option stands once, in a table of the sources: [labels](../src/data/labels/options.ts),
[pictures](../src/vision/options.ts), [the recipe](../src/recipes/options.ts), [tables](../src/tabular/options.ts). The flags, \`--help\`, this page, the types, the checks
and the schema below are made from it. A program uses the name in the first column, a command line the flag. An option that is
left out has its default. An unknown name or a wrong value is refused with what was expected.

## A file of options

\`anneal train --config FILE\` takes options from a JSON file, by their names in the first column; \`data\` is the folder of
pictures. Flags win over the file. Paths are relative to the folder that the command runs in.

\`\`\`json
{
  "$schema": "https://unpkg.com/anneal/schema/train.schema.json",
  "data": "photos",
  "labels": "labels.csv",
  "sizes": [128, 224],
  "epochs": 8
}
\`\`\`

The \`config.json\` of a run works as one too (\`anneal train --config runs/NAME/config.json --seed 7\`): its settings are taken,
and its folder where none is named. [schema/train.schema.json](../schema/train.schema.json) lets an editor complete and check the file.

## Training

The last column names who takes an option: *train* is \`anneal train\` and \`trainFolder\`, *demo* \`anneal demo\`, *learner* the call
\`learner\`, *evaluate* \`anneal evaluate\` and \`evaluateFolder\`, *augment* \`anneal augment\` and \`augmentSheet\`.

${tables(trainingOptions, { withTakers: true })}

## \`anneal evaluate\` and \`evaluateFolder\`

They take the options of labels that name them above, and:

${tables(without(optionTables.evaluate, trainingOptions))}

## \`anneal augment\` and \`augmentSheet\`

They take the options of labels and split that name them above, and:

${tables(without(optionTables.augment, trainingOptions))}

## Tables: \`anneal train TABLE --target COLUMN\`, \`trainTable\`, \`evaluateTable\`, \`predictTable\`

[docs/tables.md](tables.md) is the guide. A run on the rows of a table takes these options and no others; some have the same flag as
an option of pictures above. The last column names who takes an option: *table* is \`anneal train TABLE\` and \`trainTable\`,
*evaluateTable* \`anneal evaluate\` on a run of a table, *predictTable* \`anneal predict\` with one. They may stand in a file
of options too: a file that has a \`target\` is for a table, and \`data\` names the table.

${tables(tableOptions, { withTakers: true })}

## \`anneal predict\`

${tables(optionTables.predict)}

## \`anneal bench\`

${tables(benchOptions)}

## \`anneal launch\`

[docs/ranks.md](ranks.md) is the guide.

${tables(launchOptions)}

## \`anneal shard\`

It takes the options of labels above (but \`--valid\` and the folds, which belong to training), and its own flags, in the last table.

## \`anneal serve\` and \`createHandler\`

[docs/serve.md](serve.md) is the guide.

${tables(handlerOptions)}

## Flags that only a command has

${Object.entries(commandFlags)
  .flatMap(([command, table]) =>
    Object.values(table as OptionTable).map(entry =>
      row([`\`anneal ${command}\``, `\`${entry.facts.flag}\``, cell(helpOf(entry))]),
    ),
  )
  .reduce((page, line) => `${page}\n${line}`, `${row(['command', 'flag', 'what it does'])}\n| --- | --- | --- |`)}
`

/** schema/train.schema.json: a file of options for \`anneal train --config\`. */
export function trainSchema(): string {
  const data = { type: 'string', minLength: 1, description: 'the folder of pictures, or the table' }
  const properties = Object.entries({
    ...optionTables.train,
    ...takenBy(tableOnlyOptions, 'table'),
  } as OptionTable).flatMap(([name, { kind, facts }]) => {
    if (!kind.schema) return [] // a function, which no file can hold
    const { text, value, why } = facts.default ?? {}
    const usual = text === undefined ? '' : ` (default: ${text}${why ? `: ${why}` : ''})`
    const fits = value !== undefined && !kind.fault(value)
    return [[name, { ...kind.schema, ...(fits && { default: value }), description: `${facts.says}${usual}` }] as const]
  })
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Options of `anneal train --config FILE`',
    type: 'object',
    additionalProperties: false,
    properties: { $schema: { type: 'string' }, data, ...Object.fromEntries(properties) },
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** What this tool writes: files of the repository and their texts. */
export const written = (): Record<string, string> => ({
  'docs/options.md': optionsPage(),
  'schema/train.schema.json': trainSchema(),
})

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [file, text] of Object.entries(written())) {
    const path = join(fileURLToPath(new URL('..', import.meta.url)), file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
