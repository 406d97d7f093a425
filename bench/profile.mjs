// Self time of a .cpuprofile, by package or folder and by function.
import { readFileSync } from 'node:fs';

function owner(url) {
  const inPackage = [...url.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)/g)].at(-1);
  if (inPackage) return inPackage[1];
  const ours = /\/dist\/(?:src\/)?([^/]+)/.exec(url);
  if (ours) return `tenantry/${ours[1].replace(/\.js$/, '')}`;
  if (url.startsWith('node:')) return `node:${url.slice(5).split('/').slice(0, 2).join('/')}`;
  return url === '' ? '(native)' : url;
}

const isCode = (name) => !/^\(|^node:/.test(name);

/** @returns shares of the busy time, greatest first */
export function summarise(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const functions = new Map();
  const packages = new Map();
  // What native code and Node do is also told by who asked for it: the nearest frame of a package or of ours.
  const callers = new Map();
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node])));
  const callerOf = (node) => {
    for (let at = node; at; at = parents.get(at.id)) {
      const name = owner(at.callFrame.url);
      if (isCode(name)) return name;
    }
    return '(node itself)';
  };
  let [busy, idle] = [0, 0];
  samples.forEach((id, index) => {
    const time = timeDeltas[index];
    const { functionName, url, lineNumber } = byId.get(id).callFrame;
    if (functionName === '(idle)') {
      idle += time;
      return;
    }
    busy += time;
    const group = /^\((garbage collector|program|root)\)$/.test(functionName) ? functionName : owner(url);
    const place = `${functionName || '(anonymous)'} ${group} ${url.split('/').at(-1)}:${lineNumber + 1}`;
    functions.set(place, (functions.get(place) ?? 0) + time);
    packages.set(group, (packages.get(group) ?? 0) + time);
    const caller = group.startsWith('(') && group !== '(native)' ? group : callerOf(byId.get(id));
    callers.set(caller, (callers.get(caller) ?? 0) + time);
  });
  const top = (map) =>
    [...map]
      .sort((a, b) => b[1] - a[1])
      .map(([name, time]) => ({ name, share: Math.round((time / busy) * 1000) / 10 }));
  return { idle: idle / (busy + idle), packages: top(packages), callers: top(callers), functions: top(functions) };
}
