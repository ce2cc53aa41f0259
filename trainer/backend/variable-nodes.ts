/** The part of a program's graph that its steps share: the variables, an entry that reads all of them and one that writes all. */
import { DTYPE } from './native.ts';
import { attrValue, type NodeDef } from './protobuf.ts';
import { signal } from './trace.ts';

export type VariableNodes = {
  readonly nodes: readonly NodeDef[];
  /** In the order of the variables: nodes to fetch for their values, and placeholders for new ones. */
  readonly reads: readonly string[];
  readonly values: readonly string[];
  /** The node to fetch to write all. */
  readonly write: string;
};

export const variableNode = (name: string): string => `variables/${name}`;

export function variableNodes(shapes: Readonly<Record<string, readonly number[]>>): VariableNodes {
  const dtype = ['dtype', attrValue.type(DTYPE.float32)] as const;
  const each = Object.entries(shapes).map(([name, dimensions], index) => {
    const variable = variableNode(name);
    const shape = ['shape', attrValue.shape(dimensions)] as const;
    const identity = [
      ['shared_name', attrValue.string(variable)],
      ['container', attrValue.string('')],
    ] as const;
    const [read, value, assign] = [`read/${index}`, `value/${index}`, `assign/${index}`];
    const nodes: readonly NodeDef[] = [
      { name: variable, op: 'VarHandleOp', inputs: [], attributes: new Map([dtype, shape, ...identity]) },
      { name: read, op: 'ReadVariableOp', inputs: [variable], attributes: new Map([dtype]) },
      { name: value, op: 'Placeholder', inputs: [], attributes: new Map([dtype, shape]) },
      { name: assign, op: 'AssignVariableOp', inputs: [variable, value], attributes: new Map([dtype]) },
    ];
    return { nodes, read, value, assign };
  });
  const all: NodeDef = { name: 'assign/all', op: 'NoOp', inputs: [], controls: each.map(({ assign }) => assign), attributes: new Map() };
  return {
    nodes: [...each.flatMap(({ nodes }) => nodes), all, signal('written', all.name)],
    reads: each.map(({ read }) => read),
    values: each.map(({ value }) => value),
    write: 'written',
  };
}
