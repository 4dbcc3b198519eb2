// Tests import src/*.ts. With `--import ./tools/from-dist/register.mjs` after `--import tsx` they get the files of dist/ in
// their place, which `npm test` has just built: what is tested is what ships, and no process compiles it again. A file of
// src/ that dist/ does not have is compiled by tsx as ever.
import { register } from 'node:module'

register('./hooks.mjs', import.meta.url)
