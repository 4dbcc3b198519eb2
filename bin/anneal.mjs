#!/usr/bin/env node
// The command. Its code is in src/cli. This file loads it, and says what to run if it is not built yet.
import { existsSync } from 'node:fs'

const main = new URL('../dist/program/main.js', import.meta.url)
// These commands need libtorch. Loading it takes as long as loading the command's own files, so both happen at once.
const onLibtorch = ['train', 'demo', 'evaluate', 'predict', 'augment', 'bench']

// Trees are trained without libtorch.
const trees = process.argv.some(
  (arg, i) => arg === '--model=trees' || (arg === 'trees' && process.argv[i - 1] === '--model'),
)

function stop(why) {
  process.stderr.write(`anneal: ${why}\n`)
  process.exit(1)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 12))
  stop(`Node ${process.versions.node} is too old; install Node 20.12 or newer`)
// In a clone the user builds. An installed package comes built, so a missing part means that its installation failed.
const mend = existsSync(new URL('../tsconfig.build.json', import.meta.url)) ? 'npm run build' : 'npm install'
if (!existsSync(main)) stop(`it is not built yet; run: ${mend}`)
try {
  if (onLibtorch.includes(process.argv[2]) && !trees && !process.argv.some(arg => arg === '--help' || arg === '-h'))
    (await import(new URL('preload.js', main).href)).preload()
  await import(main.href)
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  stop(`a part is missing (${error.message.split('\n')[0]}); run: ${mend}`)
}
