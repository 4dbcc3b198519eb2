import type { ModelInfo } from '../models/index.ts'
import { machine } from '../setup/index.ts'
import type { Precision } from '../train/network.ts'
import type { Narrator } from './context.ts'
import type { TrainOptions } from './options.ts'

/** The type of products: as asked, else bfloat16 where the hardware is faster with it. */
export function choosePrecision({
  session,
  options,
  info,
  device,
}: {
  session: Narrator
  options: TrainOptions
  info: ModelInfo
  device: string
}): Precision {
  const given = options.precision ?? 'auto'
  if (given !== 'auto') {
    session.choice('precision', given, 'as asked')
    return given
  }
  const { amx } = machine().cpu
  const [precision, reason]: [Precision, string] =
    device !== 'cpu'
      ? ['bfloat16', 'on a GPU it is faster than float32']
      : !amx
        ? ['float32', 'this processor has no AMX']
        : info.depthwise
          ? ['float32', 'depthwise convolutions are slower in bfloat16']
          : ['bfloat16', 'this processor has AMX']
  session.choice('precision', precision, reason)
  return precision
}
