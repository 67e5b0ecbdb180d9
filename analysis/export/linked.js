// A position marked in every figure that has positions. Figures say in their layout's meta what their axes mean.
function longsightAxes(plot, kinds) {
  const meta = plot.layout.meta || {};
  const names = Object.keys(plot._fullLayout).filter((name) => /^[xy]axis\d*$/.test(name));
  return names.filter((name) => kinds.includes(meta[name[0]]));
}

function longsightLine(plot, name, position) {
  const id = name.replace('axis', ''), other = plot._fullLayout[name].anchor || (name[0] === 'x' ? 'y' : 'x');
  const style = { type: 'line', name: 'mark', line: { color: '#808080', width: 2 } };
  if (name[0] === 'x') {
    return { ...style, xref: id, x0: position, x1: position, yref: other + ' domain', y0: 0, y1: 1 };
  }
  return { ...style, yref: id, y0: position, y1: position, xref: other + ' domain', x0: 0, x1: 1 };
}

function longsightMark(plots, position) {
  for (const plot of plots) {
    const shared = longsightAxes(plot, ['position', 'context', 'key', 'query']);
    if (!shared.length) continue;
    const kept = (plot.layout.shapes || []).filter((shape) => shape.name !== 'mark');
    const at = (name) => position + (plot.layout.meta[name[0]] === 'context' ? 1 : 0);  // a context counts its query too
    Plotly.relayout(plot, { shapes: [...kept, ...shared.map((name) => longsightLine(plot, name, at(name)))] });
  }
}

// The position that was clicked, or null where the figure has none.
function longsightClicked(plot, event) {
  const point = event.points[0], kind = (plot.layout.meta || {}).x;
  if (kind === 'context') return point.x - 1;
  if (['position', 'key'].includes(kind)) return point.x;
  return kind === 'component' ? point.customdata ?? null : null;
}
