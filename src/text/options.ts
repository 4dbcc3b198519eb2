import { bool, int, list, text } from '../base/option-kinds.ts'
import { group } from '../base/option-table.ts'

const trains = ['train'] as const
const reads = ['train', 'evaluate', 'predict'] as const

/** The most tokens of a text that are read, unless asked otherwise: four windows. */
export const usualMost = 1016

// biome-ignore format: one option, one line or two
/** The options of texts. */
export const textOptions = {
  ...group('Texts', reads, {
    text: text('the name of a column').flag('--text <name>').example('review')
      .says('train on the texts in this column of a table; beside a folder of text files it is not needed'),
    encoding: text('the name of an encoding').flag('--encoding <name>').example('windows-1251')
      .says('the encoding of text files').otherwise('UTF-8, UTF-16 by its mark, or Windows-1252, found in each file'),
  }),
  ...group('Texts', trains, {
    target: list(text('the name of a column', 'names of columns'), { least: 1 }).flag('--target <names>').example(['stars'])
      .says('with --text: the column to predict: one class, several labels, or numbers; or one column per label'),
    maxTokens: int(16, 100_000).flag('--max-tokens <n>').default(usualMost, 'four windows of 254 tokens, about 700 words')
      .says('read at most so many tokens of a text: its beginning, and a quarter of them from its end'),
    pairs: bool().flag('--[no-]pairs').otherwise('tried below 50 training texts a class', 'with more texts the whole net learns as much, and the pairs take longer')
      .says('before the whole net, train the body so that texts of one class become alike; kept only where it measures better. Classes alone'),
  }),
}
