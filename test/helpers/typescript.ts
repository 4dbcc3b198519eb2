import { fileURLToPath } from 'node:url'

const register = new URL('../../tools/from-dist/register.mjs', import.meta.url).href

/** Arguments of node for a TypeScript program of a test, from any folder. In `npm test`, which sets ANNEAL_TEST_PROGRAM, it imports
 *  the files of dist/ in the place of src/, as the tests themselves do: they start faster. */
export const typescript: readonly string[] = [
  ...['--import', import.meta.resolve('tsx')],
  ...(process.env.ANNEAL_TEST_PROGRAM ? ['--import', register] : []),
]

/** The same for a file of this folder. */
export const helper = (file: string, ...args: string[]): string[] => [
  ...typescript,
  fileURLToPath(new URL(file, import.meta.url)),
  ...args,
]
