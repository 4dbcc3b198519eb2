import { didYouMean, OptionError } from '../../base/errors.ts'
import { setting } from '../../base/options.ts'
import type {
  FitTableModel,
  FitTableOptions,
  LoadTableModel,
  TableModel,
  TableModelName,
  TargetInfo,
} from '../types.ts'
import { Both, fitBoth } from './both.ts'
import { checkFit } from './check.ts'
import { readModelFile } from './files.ts'
import { fitRealmlp } from './realmlp/fit.ts'
import { Realmlp } from './realmlp/model.ts'
import { fitTrees, Trees } from './trees.ts'

/** How a kind of model is trained and read. */
interface Kind {
  fit(options: FitTableOptions): Promise<TableModel>
  load(dir: string, target: TargetInfo): TableModel
}

const single: Readonly<Record<Exclude<TableModelName, 'both' | 'mlp'>, Kind>> = {
  realmlp: { fit: fitRealmlp, load: Realmlp.load },
  trees: { fit: fitTrees, load: Trees.load },
}
const models: Readonly<Record<string, Kind>> = { ...single, both: { fit: fitBoth, load: loadBoth } }

/** The names of the models of tables. */
export const tableModelNames = Object.keys(models) as readonly TableModelName[]

/** Trains a model of a table. Throws for an unknown name, and for rows that no model can be trained on. */
export const fitTableModel: FitTableModel = async (name, options) => {
  if (!Object.hasOwn(models, name))
    throw new OptionError(
      `${setting('model', name)}: expected ${tableModelNames.join(', ')}.${didYouMean(name, tableModelNames)}`,
    )
  checkFit(options)
  return models[name]!.fit(options)
}

/** Reads a trained model. Trees are read without LightGBM. */
export const loadTableModel: LoadTableModel = async (dir, { target }) =>
  models[readModelFile(dir).model]!.load(dir, target)

function loadBoth(dir: string, target: TargetInfo): Both {
  const parts = Object.entries(readModelFile(dir).weights ?? {})
  return new Both(parts.map(([name, weight]) => ({ model: models[name]!.load(dir, target), weight })))
}
