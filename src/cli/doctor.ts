import { doctor, formatDoctor } from '../setup/index.ts'

export async function doctorCommand({ json = false }: { json?: boolean }): Promise<void> {
  const report = await doctor()
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : `${formatDoctor(report)}\n`)
}
