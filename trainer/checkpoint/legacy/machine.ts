/** The stack and the memo of an unpickler, with bounds on everything that a file could let grow. */
import { type Call, describe, type Dict, type List, type PickleValue, type Refuse, type Tuple } from './values.ts';

/** A snapshot of the largest networks takes 6,000 opcodes and nests 10 deep. */
const MAX_OPCODES = 250_000;
const MAX_DEPTH = 32;

export type Machine = {
  /** Called once per opcode, before anything else. */
  opcode(at: number): void;
  push(value: PickleValue): void;
  pop(at: number): PickleValue;
  /** The value on top, which stays. */
  top(at: number): PickleValue;
  mark(at: number): void;
  /** Everything above the last mark, which is removed with it. */
  popMark(at: number): PickleValue[];
  tuple(at: number, items: readonly PickleValue[]): Tuple;
  call(at: number, callee: string, args: PickleValue): Call;
  append(at: number, items: readonly PickleValue[]): void;
  setItems(at: number, pairs: readonly PickleValue[], keyOf: (value: PickleValue) => string): void;
  build(at: number, state: PickleValue): void;
  memoize(at: number, index?: number): void;
  recall(at: number, index: number): void;
  /** The one value that is left at the end. */
  result(at: number): PickleValue;
};

export function createMachine(refuse: Refuse): Machine {
  let stack: PickleValue[] = [];
  const marked: PickleValue[][] = [];
  const memo = new Map<number, PickleValue>();
  let opcodes = 0;

  const top = (at: number): PickleValue => stack.at(-1) ?? refuse(at, 'the opcode needs a value and there is none');
  const around = (at: number, values: Iterable<PickleValue>): number => {
    let depth = 1;
    for (const value of values) depth = Math.max(depth, 1 + depthOf(value));
    return depth > MAX_DEPTH ? refuse(at, `values are nested more than ${MAX_DEPTH} deep`) : depth;
  };
  const grown = (at: number, container: List | Dict | Call, values: Iterable<PickleValue>): number =>
    Math.max(container.depth, around(at, values));
  const target = <Kind extends PickleValue['kind']>(at: number, kind: Kind, what: string) => {
    const found = top(at);
    if (found.kind !== kind) return refuse(at, `${what} wants a ${kind}, but there is ${describe(found)}`);
    return found as Extract<PickleValue, { kind: Kind }>;
  };

  return {
    opcode(at) {
      opcodes += 1;
      if (opcodes > MAX_OPCODES) refuse(at, `the pickle has more than ${MAX_OPCODES} opcodes, a snapshot a few thousand`);
    },
    push: (value) => void stack.push(value),
    pop: (at) => stack.pop() ?? refuse(at, 'the opcode needs a value and there is none'),
    top,
    mark(at) {
      if (marked.length >= MAX_DEPTH) refuse(at, `marks are nested more than ${MAX_DEPTH} deep`);
      marked.push(stack);
      stack = [];
    },
    popMark(at) {
      const above = stack;
      stack = marked.pop() ?? refuse(at, 'the opcode needs a mark and there is none');
      return above;
    },
    tuple: (at, items) => ({ kind: 'tuple', at, depth: around(at, items), items }),
    call(at, callee, args) {
      if (args.kind !== 'tuple') return refuse(at, `the arguments of ${callee} should be a tuple but are ${describe(args)}`);
      return { kind: 'call', at, depth: around(at, [args]), callee, args, state: undefined };
    },
    append(at, items) {
      const list = target(at, 'list', 'appending');
      list.depth = grown(at, list, items);
      for (const item of items) list.items.push(item);
    },
    setItems(at, pairs, keyOf) {
      const dict = target(at, 'dict', 'setting items');
      if (pairs.length % 2 !== 0) refuse(at, 'a dict is given a key without a value');
      dict.depth = grown(at, dict, pairs);
      for (let i = 0; i < pairs.length; i += 2) {
        const [keyValue, value] = [pairs[i], pairs[i + 1]] as [PickleValue, PickleValue];
        const key = keyOf(keyValue);
        if (dict.entries.has(key)) refuse(keyValue.at, `the key ${JSON.stringify(key)} is set twice`);
        dict.entries.set(key, value);
      }
    },
    build(at, state) {
      const call = target(at, 'call', 'BUILD');
      if (call.state !== undefined) refuse(at, `the object of ${call.callee} is given a state twice`);
      call.depth = grown(at, call, [state]);
      call.state = state;
    },
    memoize: (at, index = memo.size) => void memo.set(index, top(at)),
    recall: (at, index) => void stack.push(memo.get(index) ?? refuse(at, `memo ${index} is asked for and was never set`)),
    result(at) {
      if (marked.length > 0) refuse(at, 'the pickle ends inside a mark');
      const [value, ...rest] = stack;
      if (value === undefined || rest.length > 0) return refuse(at, `the pickle ends with ${stack.length} values instead of one`);
      return value;
    },
  };
}

const depthOf = (value: PickleValue): number => ('depth' in value ? value.depth : 0);
