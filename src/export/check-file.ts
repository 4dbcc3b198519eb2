import { ModelError } from '../base/errors.ts'
import type { FileCard } from '../onnx/index.ts'
import { type Loaded, load, type RuntimeName } from './runtimes.ts'

/** How far the answers of a file to the probe of its card are from those that the card gives, in one runtime. */
export interface ProbeDifference {
  runtime: RuntimeName
  /** With its version. */
  name: string
  difference: number
}

/** Gives a file the probe of its card in each runtime. Throws if an answer differs by more than is accepted.
 *  differs: what does so, for the error; differenceIn: by how much it does in a runtime. */
export async function checkProbe(
  { file, bytes }: { file: string; bytes: Uint8Array },
  runtimes: readonly RuntimeName[],
  { accepted, differs, signal }: { accepted: number; differs: string; signal: AbortSignal | undefined },
  differenceIn: (loaded: Loaded) => Promise<number>,
): Promise<ProbeDifference[]> {
  const probes: ProbeDifference[] = []
  for (const runtime of runtimes) {
    signal?.throwIfAborted()
    const loaded = await load(runtime, bytes)
    try {
      const difference = await differenceIn(loaded)
      probes.push({ runtime, name: loaded.name, difference })
      // Not `>`: a difference that is no number is refused too.
      if (!(difference <= accepted))
        throw new ModelError(
          `${file}: in ${loaded.name} ${differs} by ${difference.toPrecision(2)}; expected at most ${accepted}. The file is damaged, its card is not its own, or the runtime computes wrongly. Export it again.`,
        )
    } finally {
      await loaded.release()
    }
  }
  return probes
}

/** Throws where a file answers another task, or with other classes, than a trained model. `run`: where that is. */
export function refuseOtherModel(
  { file, card }: { file: string; card: Pick<FileCard, 'task' | 'classes'> },
  { run, task = 'single', classes }: { run: string; task?: FileCard['task']; classes: readonly string[] },
): void {
  if (task !== card.task || String(classes) !== String(card.classes))
    throw new ModelError(
      `${file}: is another model than ${run}: it answers ${card.task} with ${card.classes.slice(0, 5).join(', ')}, the run ${task} with ${classes.slice(0, 5).join(', ')}.`,
    )
}
