// The large view: both pictures one above the other, cut at the divider; zoom and movement.
const view = {photo: null, zoom: 1, x: 0.5, y: 0.5, split: 0.5};  // x, y: what lies in the middle, parts of the picture
const kLargestPixel = 16;  // CSS pixels of one picture pixel at the largest zoom
const spots = [];          // the boxes on the picture, one for each face

function openInViewer(photo) {
  Object.assign(view, {photo, zoom: 1, x: 0.5, y: 0.5, split: 0.5});
  $('original').src = photo.url;
  $('original').alt = photo.name;
  showResult(photo);
}

function showResult(photo) {
  const restored = $('restored'), result = photo.result;
  if (result && restored.src !== result.url) restored.src = result.url;
  if (!result) restored.removeAttribute('src');
  restored.alt = result ? `${t('restored')}: ${photo.name}` : '';
  for (const node of [restored, $('divider'), $('tag-original'), $('tag-restored')]) node.hidden = !result;
  $('show-faces').checked = photo.showFaces;
  $('boxes').hidden = !photo.showFaces;
  layOut();
}

// Where the picture lies in the viewer, CSS pixels.
function geometry() {
  const {photo} = view, width = $('viewer').clientWidth, height = $('viewer').clientHeight;
  const fit = Math.min(width / photo.width, height / photo.height, 4);
  const scale = Math.min(fit * view.zoom, Math.max(fit, kLargestPixel));
  const w = photo.width * scale, h = photo.height * scale;
  const place = (room, size, middle) => (size <= room ? (room - size) / 2 : clamp(room / 2 - middle * size, room - size, 0));
  return {width, height, fit, scale, w, h, left: place(width, w, view.x), top: place(height, h, view.y)};
}

function layOut() {
  const {photo} = view, viewer = $('viewer');
  if (!photo || !viewer.clientWidth) return;
  const highest = Math.max(240, window.innerHeight * (window.innerWidth < 900 ? 0.6 : 0.64));
  viewer.style.height = `${Math.round(clamp(viewer.clientWidth * photo.height / photo.width, 220, highest))}px`;
  const g = geometry();
  Object.assign($('pictures').style, {left: `${g.left}px`, top: `${g.top}px`, width: `${g.w}px`, height: `${g.h}px`});
  viewer.classList.toggle('zoomed', g.w > g.width + 1 || g.h > g.height + 1);
  viewer.classList.toggle('pixels', g.scale >= 4);
  setText($('zoom-value'), `${Math.round(g.scale * 100)} %`);

  const from = Math.max(g.left, 0), to = Math.min(g.left + g.w, g.width), at = from + view.split * (to - from);
  $('divider').style.left = `${at}px`;
  $('restored').style.clipPath = `inset(0 0 0 ${clamp(at - g.left, 0, g.w)}px)`;
  const percent = Math.round(view.split * 100);
  $('divider').setAttribute('aria-valuenow', String(percent));
  $('divider').setAttribute('aria-valuetext', t('divider_value', {percent}));
  $('tag-original').style.left = `${from + 10}px`;
  $('tag-restored').style.right = `${g.width - to + 10}px`;
  $('tag-original').classList.toggle('away', at - from < 100);
  $('tag-restored').classList.toggle('away', to - at < 100);

  spots.forEach((spot, i) => {
    const [x0, y0, x1, y1] = photo.faces[i].box;  // pixel centres are integers: the edge of pixel 0 is at -1/2
    Object.assign(spot.style, {left: `${(x0 + 0.5) * g.scale}px`, top: `${(y0 + 0.5) * g.scale}px`,
      width: `${(x1 - x0) * g.scale}px`, height: `${(y1 - y0) * g.scale}px`});
    spot.classList.toggle('tiny', (x1 - x0) * g.scale < 40);  // a number would hide its neighbours
  });
}

function buildBoxes(photo) {
  spots.splice(0, spots.length, ...(photo.faces || []).map((_, i) => {
    const spot = el('div', {class: 'spot'}, el('span', {}, String(i + 1)));
    spot.addEventListener('click', () => toggleFace(photo, i));
    return spot;
  }));
  $('boxes').replaceChildren(...spots);
}
function showBoxes(photo, on) {
  spots.forEach((spot, i) => spot.classList.toggle('off', !on.has(i)));
  layOut();
}
const markBox = (marked) => spots.forEach((spot, i) => spot.classList.toggle('marked', i === marked));

// Zooms by a factor; the point at (x, y) of the viewer stays where it is.
function zoomBy(factor, x, y) {
  if (!view.photo) return;
  const before = geometry();
  if (x === undefined) { x = before.width / 2; y = before.height / 2; }
  const px = (x - before.left) / before.w, py = (y - before.top) / before.h;
  view.zoom = clamp(before.scale / before.fit * factor, 1, Math.max(1, kLargestPixel / before.fit));
  const w = view.photo.width * before.fit * view.zoom, h = view.photo.height * before.fit * view.zoom;
  centre(px + (before.width / 2 - x) / w, py + (before.height / 2 - y) / h, w, h);
}
// Brings a point of the picture to the middle, as far as there is picture around it.
function centre(x, y, w, h) {
  const within = (value, room, size) => (size <= room ? 0.5 : clamp(value, room / 2 / size, 1 - room / 2 / size));
  view.x = within(x, $('viewer').clientWidth, w);
  view.y = within(y, $('viewer').clientHeight, h);
  layOut();
}
function moveBy(dx, dy) {
  const g = geometry();
  centre(view.x - dx / g.w, view.y - dy / g.h, g.w, g.h);
}
function zoomToFit() {
  Object.assign(view, {zoom: 1, x: 0.5, y: 0.5});
  layOut();
}
function setSplit(split) {
  view.split = clamp(split, 0, 1);
  layOut();
}
function splitAt(clientX) {
  const g = geometry(), x = clientX - $('viewer').getBoundingClientRect().left;
  const from = Math.max(g.left, 0), to = Math.min(g.left + g.w, g.width);
  setSplit((x - from) / (to - from));
}
