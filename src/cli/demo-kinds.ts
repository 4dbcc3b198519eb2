import type { optionTables } from '../api/options.ts'
import type { Options } from '../base/option-table.ts'

export type DemoOptions = Options<typeof optionTables.demo>

/** The options of a demo with fewer epochs than usual, where neither quality nor minutes say how long it takes. */
export const withFewEpochs = (options: DemoOptions, epochs: number): DemoOptions =>
  options.quality === undefined && options.minutes === undefined ? { epochs, ...options } : options

/** Says where the samples lie and what is asked, beside the output for programs. */
export function introduce(text: string, { json }: { json?: boolean | undefined }): void {
  ;(json ? process.stderr : process.stdout).write(`${text}\n`)
}
