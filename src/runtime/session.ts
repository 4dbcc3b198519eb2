import { RunError } from './errors.ts'
import { throwIfAborted, untilAborted } from './turns.ts'
import type { Host, LoadOptions, Ort, OrtSession } from './types.ts'

/** How sessions of one file are made. */
export interface Sessions {
  ort: Ort
  /** With these providers of onnxruntime. */
  create(executionProviders: unknown[]): Promise<OrtSession>
  /** On the usual device. What fails is explained by the host. `check`: throws where the session is another one than the
   *  card says. */
  plain(check: (session: OrtSession) => void): Promise<OrtSession>
}

/** Starts onnxruntime for the bytes of a file. `name`: what errors call it. */
export async function startOrt(
  bytes: Uint8Array,
  name: string,
  host: Pick<Host<never>, 'importOrt' | 'prepare' | 'explain' | 'device'>,
  options: LoadOptions,
): Promise<Sessions> {
  const { device = 'auto', signal } = options
  throwIfAborted(signal)
  const begin = async <T>(work: () => Promise<T>) => {
    try {
      return await untilAborted(work(), signal)
    } catch (error) {
      if (signal?.aborted || error instanceof RunError) throw error
      throw new RunError('backend', `${name}: ${await host.explain(error, options)}`, { cause: error })
    }
  }
  if (device !== 'auto' && device !== 'webgpu' && device !== host.device)
    throw (await import('./refusals.ts')).otherDevice(device, host.device)
  const ort = options.ort ?? (await begin(() => host.importOrt()))
  const settings = await host.prepare(ort, options)
  const create = async (executionProviders: unknown[]) => {
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3, ...settings, executionProviders })
    if (signal?.aborted) await session.release()
    throwIfAborted(signal)
    return session
  }
  return {
    ort,
    create,
    async plain(check) {
      const session = await begin(() => create([host.device]))
      try {
        check(session)
      } catch (error) {
        await session.release()
        throw error
      }
      return session
    },
  }
}
