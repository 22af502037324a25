/** Does something the first time it is asked for; everybody gets what came of it. */
export function once(act) {
  let result;
  return () => (result ??= act());
}
