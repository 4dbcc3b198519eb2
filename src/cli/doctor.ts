import { doctor, formatDoctor } from '../setup/index.ts'

/** `anneal doctor`: what was found on this machine and what to do about what is missing. */
export async function doctorCommand({ json = false }: { json?: boolean }): Promise<void> {
  const report = await doctor()
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : `${formatDoctor(report)}\n`)
}
