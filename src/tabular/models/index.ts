import { didYouMean, ModelError, OptionError } from '../../base/errors.ts'
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
import { fitMlp } from './mlp/fit.ts'
import { Mlp } from './mlp/model.ts'
import { fitRealmlp } from './realmlp/fit.ts'
import { Realmlp } from './realmlp/model.ts'
import { fitTabm } from './tabm/fit.ts'
import { Tabm } from './tabm/model.ts'
import { fitTrees, Trees } from './trees.ts'

/** How a kind of model is trained and read. */
interface Kind {
  fit(options: FitTableOptions): Promise<TableModel>
  load(dir: string, target: TargetInfo): TableModel
}

const models: Readonly<Record<TableModelName, Kind>> = {
  mlp: { fit: fitMlp, load: Mlp.load },
  realmlp: { fit: fitRealmlp, load: Realmlp.load },
  tabm: { fit: fitTabm, load: Tabm.load },
  trees: { fit: fitTrees, load: Trees.load },
  both: { fit: fitBoth, load: loadBoth },
}

/** The names of the models of tables. */
export const tableModelNames = Object.keys(models) as readonly TableModelName[]

/** Trains a model of a table. Throws for an unknown name, and for rows that no model can be trained on. */
export const fitTableModel: FitTableModel = async (name, options) => {
  if (!Object.hasOwn(models, name))
    throw new OptionError(
      `${setting('model', name)}: expected ${tableModelNames.join(', ')}.${didYouMean(name, tableModelNames)}`,
    )
  checkFit(options)
  return models[name].fit(options)
}

/** Reads a trained model. Trees are read without LightGBM. */
export const loadTableModel: LoadTableModel = async (dir, { target }) => kindOf(dir).load(dir, target)

function kindOf(dir: string, name: string = readModelFile(dir).model): Kind {
  if (Object.hasOwn(models, name)) return models[name as TableModelName]
  throw new ModelError(
    `${dir}: the model "${name}" is not known; expected ${tableModelNames.join(', ')}. Was it trained with a newer version of Anneal?`,
  )
}

function loadBoth(dir: string, target: TargetInfo): Both {
  const parts = Object.entries(readModelFile(dir).weights ?? {})
  return new Both(parts.map(([name, weight]) => ({ model: kindOf(dir, name).load(dir, target), weight })))
}
