/** `config.json`: everything that was chosen before training, as plain values. */
export type RunConfig = {
  format: 1
  anneal: string
  /** ISO 8601 time at which the run was made. */
  created: string
  /** The command line or the name of the program that made it. */
  command: string[]
  model: string
  /** Absolute path of the data folder. */
  data: string
  classes: string[]
  seed: number
  /** All other settings under their option's name. */
  settings: Record<string, unknown>
  /** Node, libtorch, Anneal and others. */
  versions: Record<string, string>
  /** Processor, threads, memory, device. */
  machine: Record<string, string | number | boolean>
}
