// Mouse, fingers and keys on the large view.
function watchViewer() {
  const viewer = $('viewer'), divider = $('divider');
  const pointers = new Map();  // pointerId -> where it was last
  let moved = false, pinch = 0, dividing = false;
  const local = (event) => {
    const box = viewer.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top};
  };
  const distance = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };

  viewer.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, local(event));
    dividing = divider.contains(event.target);
    moved = false;
    if (pointers.size === 2) pinch = distance();
    if (dividing) viewer.setPointerCapture(event.pointerId);
  });
  viewer.addEventListener('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const now = local(event);
    if (!moved && Math.hypot(now.x - last.x, now.y - last.y) < 4) return;  // a click may tremble
    moved = true;
    viewer.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, now);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], wide = distance();
      if (pinch > 0) zoomBy(wide / pinch, (a.x + b.x) / 2, (a.y + b.y) / 2);
      pinch = wide;
    } else if (dividing || (!divider.hidden && !viewer.classList.contains('zoomed'))) {
      splitAt(event.clientX);  // where there is nothing to move, the whole picture moves the divider
    } else {
      moveBy(now.x - last.x, now.y - last.y);
    }
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    pinch = 0;
    if (pointers.size === 0) dividing = false;
  };
  viewer.addEventListener('pointerup', release);
  viewer.addEventListener('pointercancel', release);
  viewer.addEventListener('wheel', (event) => {
    event.preventDefault();
    const at = local(event), lines = event.deltaMode === 1 ? 16 : 1;
    zoomBy(Math.exp(-clamp(event.deltaY * lines, -100, 100) / (event.ctrlKey ? 100 : 400)), at.x, at.y);
  }, {passive: false});
  viewer.addEventListener('dblclick', (event) => {
    if (event.target.classList.contains('spot') || divider.contains(event.target)) return;
    const at = local(event);
    if (viewer.classList.contains('zoomed')) zoomToFit();
    else zoomBy(3, at.x, at.y);
  });

  viewer.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !view.photo) return;
    const action = event.target === divider ? dividerKey(event) || zoomKey(event) : zoomKey(event) || moveKey(event);
    if (!action) return;
    event.preventDefault();
    action();
  });
  new ResizeObserver(layOut).observe(viewer);
  window.addEventListener('resize', layOut);
}

function dividerKey(event) {
  const step = event.shiftKey ? 0.1 : 0.01;
  return {
    ArrowLeft: () => setSplit(view.split - step), ArrowDown: () => setSplit(view.split - step),
    ArrowRight: () => setSplit(view.split + step), ArrowUp: () => setSplit(view.split + step),
    PageDown: () => setSplit(view.split - 0.1), PageUp: () => setSplit(view.split + 0.1),
    Home: () => setSplit(0), End: () => setSplit(1),
  }[event.key];
}
function zoomKey(event) {
  return {'+': () => zoomBy(1.25), '=': () => zoomBy(1.25), '-': () => zoomBy(0.8), '0': zoomToFit}[event.key];
}
function moveKey(event) {
  const step = event.shiftKey ? 200 : 50;
  return {
    ArrowLeft: () => moveBy(step, 0), ArrowRight: () => moveBy(-step, 0),
    ArrowUp: () => moveBy(0, step), ArrowDown: () => moveBy(0, -step),
  }[event.key];
}
