// The selected photo: its state, what can be done with it, its faces.
function select(photo) {
  selected = photo;
  for (const other of photos) showInQueue(other);
  if (!photo) return;
  setText($('photo-name'), photo.name);
  $('photo-name').title = photo.name;
  buildFaces(photo);
  openInViewer(photo);
  showPhoto(photo);
}

// Everything that shows this photo's state.
function showPhoto(photo) {
  if (photo.removed) return;
  showInQueue(photo);
  showQueueActions();
  if (photo !== selected) return;
  showAction(photo);
  showFaces(photo);
  showReport(photo);
  showResult(photo);
}

function showElapsed(photo) {
  setText($('detail'), t('elapsed', {time: formatTime(elapsedOf(photo))}));
}

function detailText(photo) {
  if (photo.state === 'failed') return photo.error.message;
  if (photo.state === 'ready' && photo.faces.length === 0) return t('d_no_face');
  if (photo.state === 'done') {
    const size = t('d_result', photo.result);
    return settingsChanged(photo) ? `${size} · ${t('changed')}` : size;
  }
  return t('d_ready', photo);
}

function showAction(photo) {
  const busy = isBusy(photo), waiting = photo.state === 'waiting', done = photo.state === 'done';
  setText($('state'), stateText(photo));
  $('state').classList.toggle('bad', photo.state === 'failed');
  if (busy) showElapsed(photo);
  else setText($('detail'), detailText(photo));
  $('bar').hidden = !busy && photo.state !== 'looking';
  setBar($('bar'), percentOf(photo));
  $('bar').setAttribute('aria-label', stateText(photo));

  const hadFocus = ['cancel', 'restore'].includes(document.activeElement.id);
  $('cancel').hidden = !busy && !waiting;
  $('cancel').disabled = photo.cancelling;
  const on = facesOn(photo).length;
  const failedLooking = photo.state === 'failed' && !photo.faces;
  const restore = $('restore');
  restore.hidden = busy || waiting || (done && !settingsChanged(photo));
  restore.disabled = !canRestore(photo) && !failedLooking;
  restore.className = done ? 'plain' : 'primary';
  setText(restore, failedLooking ? t('retry') : done ? t('restore_again')
    : on === 1 ? t('restore_one') : on ? t('restore_many', {count: on}) : t('restore_plain'));
  $('downloads').hidden = !photo.result || !done;
  // Focus stays where the action is when one button takes the other's place.
  if (hadFocus && document.activeElement === document.body)
    [$('cancel'), $('restore'), $('save-png')].find((b) => b.offsetParent && !b.disabled)?.focus();
}

function showReport(photo) {
  const job = photo.state === 'done' ? photo.job : null;
  $('report').hidden = !job || !(job.times || job.notes);
  if ($('report').hidden) return;
  $('notes').replaceChildren(...(job.notes || []).map((note) => el('li', {}, note)));
  const times = [...(job.times || []), {stage: null, ms: job.elapsed_ms}];
  $('times').replaceChildren(...times.map(({stage, ms}) => el('tr', {},
    el('th', {scope: 'row'}, stage === null ? t('total') : stageName(stage)), el('td', {class: 'number'}, formatMs(ms)))));
}

// Small pictures of the faces, each a switch; one stop of the Tab key, arrow keys inside.
function buildFaces(photo) {
  const faces = photo.faces || [];
  $('faces').replaceChildren(...faces.map((face, i) => {
    const canvas = el('canvas', {width: 96, height: 96});
    drawFace(canvas, photo.image, face.box);
    const button = el('button', {class: 'face', type: 'button', tabindex: i ? -1 : 0, onclick: () => toggleFace(photo, i)},
      canvas, el('span', {class: 'face-number', 'aria-hidden': 'true'}, String(i + 1)));
    for (const [event, on] of [['pointerenter', 1], ['focus', 1], ['pointerleave', 0], ['blur', 0]])
      button.addEventListener(event, () => markBox(on ? i : -1));
    return button;
  }));
  $('faces').dataset.of = String(photo.id);
  $('faces').dataset.count = String(faces.length);
  buildBoxes(photo);
}

function drawFace(canvas, image, [x0, y0, x1, y1]) {
  const side = Math.max(x1 - x0, y1 - y0) * 1.25;
  canvas.getContext('2d').drawImage(image, (x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
}

function showFaces(photo) {
  const faces = photo.faces || [];
  if ($('faces').dataset.of !== String(photo.id) || $('faces').dataset.count !== String(faces.length)) buildFaces(photo);
  $('faces-card').hidden = faces.length === 0;
  const on = new Set(facesOn(photo)), largest = settings().largest_face;
  setText($('faces-title'), t('faces_title', {on: on.size, count: faces.length}));
  setText($('faces-help'), t(largest ? 'faces_help_largest' : 'faces_help'));
  $('faces-all').hidden = $('faces-none').hidden = Boolean(largest) || faces.length < 2;
  [...$('faces').children].forEach((button, i) => {
    const {box, score} = faces[i];
    const label = t('face_label', {number: i + 1, width: Math.round(box[2] - box[0]), height: Math.round(box[3] - box[1]),
      score: Math.round(score * 1000) / 10});
    button.setAttribute('aria-label', label);
    button.title = label;
    button.setAttribute('aria-pressed', String(on.has(i)));
    button.disabled = Boolean(largest) || isBusy(photo);
  });
  showBoxes(photo, on);
}

function toggleFace(photo, i) {
  if (settings().largest_face || isBusy(photo)) return;
  if (!photo.off.delete(i)) photo.off.add(i);
  showPhoto(photo);
}
function switchAll(photo, on) {
  if (isBusy(photo)) return;
  photo.off = new Set(on ? [] : photo.faces.keys());
  showPhoto(photo);
}

function moveBetweenFaces(event) {
  const buttons = [...$('faces').children], at = buttons.indexOf(document.activeElement);
  const to = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1}[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  const next = buttons[clamp(to, 0, buttons.length - 1)];
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
  next.focus();
}
