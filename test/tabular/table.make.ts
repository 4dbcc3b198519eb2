import { writeFileSync } from 'node:fs'
import { rng } from '../../src/base/random.ts'

/** Writes a table of customers: an id, numbers, a category with missing values, a date; `bought` (yes in about a third of
 *  the rows) and `price` follow from them with some noise. */
export function makeCustomers(path: string, rows = 240, seed = 1): void {
  const cities = ['Rome', 'Oslo', 'Lima', 'Bern, old town']
  const lines = ['id,age,city,when,income,bought,price']
  for (let i = 0; i < rows; i++) {
    const random = rng(seed, i)
    const age = 18 + random.integer(62)
    const city = cities[random.integer(4)]!
    const income = random.normal(50, 15) + (city === 'Oslo' ? 10 : 0)
    const score = (age - 45) / 12 + (city === 'Rome' ? 1.5 : -0.8) + random.normal(0, 0.6)
    const price = 20 + age * 1.3 + (city === 'Lima' ? 30 : 0) + random.normal(0, 3)
    const shown = random.chance(0.05) ? '' : city.includes(',') ? `"${city}"` : city
    const day = new Date(Date.UTC(2024, i % 12, 1 + (i % 28))).toISOString().slice(0, 10)
    lines.push([`c${i}`, age, shown, day, income.toFixed(2), score > 1 ? 'yes' : 'no', price.toFixed(2)].join(','))
  }
  writeFileSync(path, `${lines.join('\n')}\n`)
}
