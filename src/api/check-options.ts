import { OptionError } from '../base/errors.ts'
import { checkTable } from '../base/option-table.ts'
import { option, setting } from '../base/options.ts'
import { pictures } from './kinds/pictures.ts'
import { calls, type TrainOptions } from './options.ts'

/** Throws for unknown options, for values that are not allowed, and for options that contradict each other, before any
 *  work is done. `also`: names that the call accepts beside its options: callbacks, a signal. */
export function checkOptions(
  given: TrainOptions,
  call: keyof typeof calls = 'trainFolder',
  also: readonly string[] = [],
) {
  const { [call]: table, ...others } = calls
  const hook = call === 'trainFolder' && hooks.find(name => Object.hasOwn(given ?? {}, name))
  if (hook)
    throw new OptionError(
      `trainFolder takes "${hook}" in its third argument: trainFolder(folder, options, { ${hook} })`,
    )
  checkTable(table, given, { who: call, also, others })
  if (call === 'learner') pictures.check?.({ ...given })
  if (call === 'trainFolder' || call === 'learner') checkTogether(given)
}

const hooks = ['signal', 'onEvent', 'onRun', 'progress', 'report', 'writeReport']

/** Throws for options that are valid alone but not together. */
function checkTogether(o: TrainOptions): void {
  contradict(o, 'size', 'sizes', 'contradict each other')
  if (o.like !== 'auto') contradict(o, 'like', 'factor', 'say the same thing')
  const twice = o.sizes?.find((size, i) => o.sizes!.indexOf(size) !== i)
  if (twice !== undefined)
    throw new OptionError(`${setting('sizes', o.sizes)}: ${twice} comes twice; give each size once`)
  if (o.ttaMax && !o.tta)
    throw new OptionError(
      `${option('ttaMax')} says how the views of ${option('tta')} are joined; give ${option('tta')} too, or leave it out`,
    )
  const averaging = (['snapshots', 'swa'] as const).find(name => o[name])
  if (averaging && o.epochs === 0)
    throw new OptionError(
      `${setting(averaging, true)} averages the ends of cycles of the whole net, and ${setting('epochs', 0)} trains the head alone; leave one of them out`,
    )
  if (o.fold !== undefined && o.folds === undefined && o.labels === undefined)
    throw new OptionError(
      `${setting('fold', o.fold)} needs ${option('folds')}, how many there are, or a table with a column of folds`,
    )
  if (o.fold !== undefined && o.folds !== undefined && o.fold >= o.folds)
    throw new OptionError(`${option('fold')}: expected a whole number from 0 to ${o.folds - 1}, got ${o.fold}`)
  if (o.weights !== undefined && o.pretrained === false)
    throw new OptionError(
      `${option('weights')} and ${setting('pretrained', false)} contradict each other; leave one of them out`,
    )
}

function contradict(o: TrainOptions, a: keyof TrainOptions, b: keyof TrainOptions, how: string): void {
  if (o[a] !== undefined && o[b] !== undefined)
    throw new OptionError(`${setting(a, o[a])} and ${setting(b, o[b])} ${how}; leave one of them out`)
}
