/**
 * Loaded into an operator before its own code (`node --import`): how much CPU each reconcile took by itself, whatever ran in its pauses. Whatever a
 * reconcile begins (a promise, a timer) is charged to it when it goes on; what sockets do with bytes is charged to nobody. Every so often it
 * prints `{"reconciles": n, "p50": s, "p99": s, "most": s}` in seconds. The hooks cost CPU themselves, so figures are rather too high.
 */
import { createHook } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';

type Bill = { seconds: number };

const PRINT_EVERY = 200;

const bills = new Map<number, Bill>();
/** Whose time it is now, and whose it was before. */
const stack: (Bill | undefined)[] = [];
let since = 0;

const now = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e6;
};

function enter(bill: Bill | undefined): void {
  charge();
  stack.push(bill);
  if (bill) since = now();
}

function leave(): void {
  charge();
  stack.pop();
  if (stack.at(-1)) since = now();
}

/** Charges what has passed since it last was its turn to whoever's turn it is. */
function charge(): void {
  const bill = stack.at(-1);
  if (bill) bill.seconds += now() - since;
}

createHook({
  init(id) {
    const bill = stack.at(-1);
    if (bill) bills.set(id, bill);
  },
  before: (id) => enter(bills.get(id)),
  after: leave,
  destroy: (id) => void bills.delete(id),
}).enable();

const done: number[] = [];
const open = new WeakMap<object, Bill>();

tracingChannel('pggan.reconcile').subscribe({
  start(reconcile) {
    const bill = { seconds: 0 };
    open.set(reconcile, bill);
    enter(bill);
  },
  end: leave,
  asyncStart() {},
  asyncEnd(reconcile) {
    done.push(open.get(reconcile)?.seconds ?? 0);
    if (done.length % PRINT_EVERY === 0) print();
  },
  error() {},
});

function print(): void {
  const sorted = done.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  process.stdout.write(`${JSON.stringify({ reconciles: done.length, p50: at(0.5), p99: at(0.99), most: sorted.at(-1) })}\n`);
}
