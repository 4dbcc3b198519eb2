/** How many points a tone curve has: the values of 8 bits are on points, with three more between each two of them. */
export const curvePoints = 1021

/** The points of a curve that changes nothing: shares from black (0) to white (1). */
export const shares = Float64Array.from({ length: curvePoints }, (_, i) => i / (curvePoints - 1))
