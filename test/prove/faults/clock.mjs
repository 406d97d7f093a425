// Loaded before the service: moves its clock by what the file CLOCK_FILE holds, in ms. Its timers stay as they are, as when
// somebody sets the clock of a machine.
import { readFileSync } from 'node:fs';

const Real = Date;
let offset = 0;
const now = () => Real.now() + offset;

globalThis.Date = new Proxy(Real, {
  construct: (_, args, target) => Reflect.construct(Real, args.length === 0 ? [now()] : args, target),
  apply: () => new Real(now()).toString(),
  get: (_, name) => (name === 'now' ? now : Real[name]),
});

setInterval(() => {
  offset = Number(readFileSync(process.env.CLOCK_FILE, 'utf8')) || 0;
}, 50).unref();
