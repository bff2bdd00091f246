/**
 * The number that an int-or-percent stands for, of a total (`intstr.GetScaledValueFromIntOrPercent`).
 * @throws RangeError when the text is no percentage.
 */
export function scaledValue(value: number | string, total: number, roundUp: boolean): number {
  if (typeof value === 'number') return value
  const match = /^(\d+)%$/.exec(value)
  if (match === null) throw new RangeError(`invalid value for IntOrString: invalid type: string is not a percentage`)
  const scaled = (Number(match[1]) * total) / 100
  return roundUp ? Math.ceil(scaled) : Math.floor(scaled)
}
