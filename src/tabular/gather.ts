/** The values of some rows; `width`: values per row, of which the first is taken. A plain loop: `Float64Array.from` with a
 *  function takes ten times as long, and there may be ten million rows. */
export function gather(values: ArrayLike<number>, rows: ArrayLike<number>, width = 1): Float64Array {
  const own = new Float64Array(rows.length)
  for (let i = 0; i < rows.length; i++) own[i] = values[rows[i]! * width]!
  return own
}

/** The codes of some rows. */
export function gatherCodes(codes: ArrayLike<number>, rows: ArrayLike<number>): Int32Array {
  const own = new Int32Array(rows.length)
  for (let i = 0; i < rows.length; i++) own[i] = codes[rows[i]!]!
  return own
}
