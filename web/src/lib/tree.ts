// A chat is a tree of messages; what is shown is the branch from a beginning to a leaf.
export interface TreeNode {
  id: string;
  parent: string | null;
}

// By parent, in the order in which they came; the beginnings are under null.
export function childrenOf<T extends TreeNode>(nodes: Iterable<T>): Map<string | null, T[]> {
  const children = new Map<string | null, T[]>();
  for (const node of nodes) {
    const list = children.get(node.parent);
    if (list) list.push(node);
    else children.set(node.parent, [node]);
  }
  return children;
}

export function branchOf<T extends TreeNode>(nodes: ReadonlyMap<string, T>, leaf: string | null): T[] {
  const branch: T[] = [];
  const seen = new Set<string>(); // a server that errs must not hang the page
  for (let id = leaf; id !== null && !seen.has(id); ) {
    const node = nodes.get(id);
    if (!node) break;
    seen.add(id);
    branch.push(node);
    id = node.parent;
  }
  return branch.reverse();
}

// Down from `id` by the newest child each time.
export function newestLeaf<T extends TreeNode>(children: Map<string | null, T[]>, id: string): string {
  const seen = new Set<string>();
  let at = id;
  while (!seen.has(at)) {
    seen.add(at);
    at = children.get(at)?.at(-1)?.id ?? at;
  }
  return at;
}
