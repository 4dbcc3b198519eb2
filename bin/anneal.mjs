#!/usr/bin/env node
// The command. What it does is in src/cli; this file only says what to run where that is not built yet.
import { existsSync } from 'node:fs'

const main = new URL('../dist/program/main.js', import.meta.url)
// To load libtorch takes as long as the command's own files, so both happen at once.
const onLibtorch = ['train', 'demo', 'evaluate', 'predict', 'augment', 'bench']

function stop(why) {
  process.stderr.write(`anneal: ${why}\n`)
  process.exit(1)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 12))
  stop(`Node ${process.versions.node} is too old; install Node 20.12 or newer`)
// A clone is built; an installed package comes built, so what it lacks its installation left out.
const mend = existsSync(new URL('../tsconfig.build.json', import.meta.url)) ? 'npm run build' : 'npm install anneal'
if (!existsSync(main)) stop(`it is not built yet; run: ${mend}`)
try {
  if (onLibtorch.includes(process.argv[2]) && !process.argv.some(arg => arg === '--help' || arg === '-h'))
    (await import(new URL('preload.js', main).href)).preload()
  await import(main.href)
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  stop(`a part is missing (${error.message.split('\n')[0]}); run: ${mend}`)
}
