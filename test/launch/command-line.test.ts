import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { divide, readCommand, resumed } from '../../src/launch/command-line.ts'
import { launchOptions } from '../../src/launch/options.ts'
import { placeOf, rankVariables, threadsOf } from '../../src/launch/place.ts'

const parts = (line: string) => divide(line.split(' '), launchOptions)
const self = ['/node', '--import', 'tsx', '/bin/anneal.mjs']

test('the command begins after --, or at the first word that is no option', () => {
  const command = ['train', 'photos', '--epochs', '3', '--nproc', '9']
  for (const own of [
    '--nproc 2 --grace 1.5',
    '--nproc=2 --grace=1.5',
    '--nproc-per-node 2 --grace 1.5',
    '--nproc_per_node=2 --grace=1.5',
  ])
    for (const between of [' ', ' -- ']) {
      const found = parts(`${own}${between}${command.join(' ')}`)
      assert.deepEqual(found.command, command, own)
      assert.deepEqual(found.own.join(' ').replaceAll('=', ' '), '--nproc 2 --grace 1.5', own)
    }
  assert.deepEqual(parts('--master_addr 10.0.0.1 -- node --import x a.mjs').own, ['--master-addr', '10.0.0.1'])
  assert.deepEqual(parts('--help'), { own: ['--help'], command: [] })
  assert.deepEqual(parts('--nproc'), { own: ['--nproc'], command: [] })
})

test('a command of Anneal runs without npx between; scripts by Node; others as they are', () => {
  for (const words of [
    ['train', 'photos'],
    ['anneal', 'train', 'photos'],
    ['npx', 'anneal', 'train', 'photos'],
  ])
    assert.deepEqual(readCommand(words, self), {
      file: '/node',
      args: ['--import', 'tsx', '/bin/anneal.mjs', 'train', 'photos'],
      anneal: ['train', 'photos'],
    })
  assert.deepEqual(readCommand(['python', 'train.py'], self), { file: 'python', args: ['train.py'] })
  assert.deepEqual(readCommand(['no-such-file.mjs', 'x'], self), { file: 'no-such-file.mjs', args: ['x'] })
  assert.throws(
    () => readCommand([], self),
    /no command for the ranks.*Example: npx anneal launch --nproc 2 train photos/,
  )
  for (const words of [
    ['anneal', 'serve', 'm'],
    ['predict', 'm', 'x.jpg'],
    ['npx', 'anneal', 'export', 'm'],
  ])
    assert.throws(
      () => readCommand(words, self),
      /"anneal (serve|predict|export)" runs in one process.*start it without launch: npx anneal (serve|predict|export) …/,
    )
  assert.throws(() => readCommand(['npx', 'anneal', 'trian'], self), /Did you mean "train"/)
})

test('each command of Anneal either shares its work among ranks or is refused by name', () => {
  const main = readFileSync(new URL('../../src/cli/main.ts', import.meta.url), 'utf8')
  const commands = [...main.matchAll(/\.command\('(\w+)'\)/g)].map(([, name]) => name!)
  assert.ok(commands.length > 10, `${commands}`)
  for (const name of commands)
    if (['train', 'demo', 'evaluate'].includes(name)) assert.deepEqual(readCommand([name], self).anneal, [name])
    else assert.throws(() => readCommand([name], self), /runs in one process/, name)
})

test('a restart goes on with the run that was made, and only with anneal train and demo', () => {
  const train = readCommand(['train', 'photos', '--epochs', '3', '--json'], self)
  assert.deepEqual(resumed(train, self, '/r/one').anneal, ['train', '--resume', '/r/one', '--json'])
  assert.equal(resumed(train, self, undefined), train)
  const going = readCommand(['train', '--resume', '/r/other', '--data', 'photos'], self)
  assert.equal(resumed(going, self, '/r/one'), going)
  assert.deepEqual(resumed(readCommand(['demo'], self), self, '/r/one').anneal, ['train', '--resume', '/r/one'])
  const script = readCommand(['node', 'a.mjs'], self)
  assert.equal(resumed(script, self, '/r/one'), script)
})

test('the place of a machine: options first, then PET_ variables; what contradicts is refused', () => {
  assert.deepEqual(placeOf({ nproc: 2 }, {}), {
    nproc: 2,
    nnodes: 1,
    nodeRank: 0,
    masterAddr: '127.0.0.1',
    masterPort: undefined,
  })
  const pet = {
    PET_NNODES: '3',
    PET_NODE_RANK: '2',
    PET_NPROC_PER_NODE: '4',
    PET_MASTER_ADDR: 'job-0.job',
    PET_MASTER_PORT: '29400',
  }
  const read = { nproc: 4, nnodes: 3, nodeRank: 2, masterAddr: 'job-0.job', masterPort: 29400 }
  assert.deepEqual(placeOf({}, pet), read)
  assert.deepEqual(placeOf({ nproc: 1, nodeRank: 0 }, pet), { ...read, nproc: 1, nodeRank: 0 })
  assert.throws(() => placeOf({}, { PET_NNODES: 'auto' }), /PET_NNODES is "auto"; expected a whole number/)
  assert.throws(
    () => placeOf({ nnodes: 2, nodeRank: 2, masterAddr: 'a' }, {}),
    /--node-rank 2 and --nnodes 2 do not fit.*from 0 to 1/,
  )
  assert.throws(() => placeOf({ nnodes: 2 }, {}), /--nnodes 2 needs the address of machine 0/)
  const inside = { RANK: '1', WORLD_SIZE: '4' }
  assert.throws(() => placeOf({ nproc: 2 }, inside), /RANK=1 and WORLD_SIZE=4 are set.*--nnodes 4 --node-rank 1/)
  assert.throws(
    () => placeOf({ nproc: 2 }, { ...inside, LOCAL_RANK: '1' }),
    /already one of a group\. Start the command itself \(npx anneal train …\)\./,
  )
  assert.equal(placeOf({ nproc: 2, nnodes: 4, nodeRank: 1, masterAddr: 'a' }, inside).masterPort, 29500)
})

test('the variables of a rank are those of torchrun', () => {
  const place = { nproc: 4, nnodes: 3, nodeRank: 2, masterAddr: '10.0.0.1', masterPort: 29500 }
  const got = rankVariables(place, 1, { restart: 1, maxRestarts: 3, runId: 'x' })
  assert.deepEqual(got, {
    RANK: '9',
    LOCAL_RANK: '1',
    WORLD_SIZE: '12',
    LOCAL_WORLD_SIZE: '4',
    GROUP_RANK: '2',
    GROUP_WORLD_SIZE: '3',
    ROLE_NAME: 'default',
    ROLE_RANK: '9',
    ROLE_WORLD_SIZE: '12',
    MASTER_ADDR: '10.0.0.1',
    MASTER_PORT: '29500',
    TORCHELASTIC_RESTART_COUNT: '1',
    TORCHELASTIC_MAX_RESTARTS: '3',
    TORCHELASTIC_RUN_ID: 'x',
    TORCHELASTIC_USE_AGENT_STORE: 'False',
  })
  assert.deepEqual([threadsOf(16, 4), threadsOf(2, 4), threadsOf(7, 2)], [4, 1, 3])
})
