/** pytabkit's batch sizes by the number of training rows. */
export const batchSizeFor = (rows: number): number =>
  rows <= 1024 ? 64 : rows <= 8192 ? 128 : rows <= 30_000 ? 256 : rows <= 100_000 ? 512 : 1024
