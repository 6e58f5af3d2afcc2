// The list of photos, and what is said about each.
const rows = new Map();  // photo -> its elements

const elapsedOf = (photo) => performance.now() - photo.since;
const stageName = (stage) => t(`stage_${stage}` in STRINGS.en ? `stage_${stage}` : 'stage_working');

// One line about a photo.
function stateText(photo) {
  if (photo.cancelling) return t('s_cancelling');
  switch (photo.state) {
    case 'ready': return photo.faces.length && !facesOn(photo).length ? t('s_none_on') : tCount('s_ready', photo.faces.length);
    case 'looking': return t(photo.busy ? 's_busy' : 's_looking');
    case 'uploading': return t(photo.busy ? 's_busy' : 's_uploading');
    case 'queued': return t('s_queued', {position: photo.job.position || 1});
    case 'running':
      return t('s_running', {stage: stageName(photo.job.stage), percent: Math.round(photo.job.percent || 0)});
    case 'done': return doneText(photo);
    default: return t(`s_${photo.state}`);
  }
}
const percentOf = (photo) =>
  photo.state === 'running' ? photo.job.percent || 0 : photo.state === 'fetching' ? 100 : null;

// An unknown percentage is an unfilled bar in motion.
function setBar(bar, percent) {
  if (percent === null) bar.removeAttribute('value');
  else bar.value = percent;
}

function addToQueue(photo) {
  const row = {
    thumb: el('img', {src: photo.url, alt: ''}),
    name: el('span', {class: 'queue-name'}, photo.name),
    state: el('span', {class: 'queue-state'}),
    bar: el('progress', {max: 100, hidden: true, 'aria-hidden': 'true'}),
    stop: el('button', {class: 'icon', type: 'button'}, icon('close')),
  };
  row.pick = el('button', {class: 'queue-pick', type: 'button', onclick: () => select(photo)}, row.thumb,
    el('span', {class: 'queue-words'}, row.name, row.state, row.bar));
  row.stop.addEventListener('click', () => (isBusy(photo) || photo.state === 'waiting' ? cancel(photo) : remove(photo)));
  row.item = el('li', {}, row.pick, row.stop);
  rows.set(photo, row);
  $('queue').append(row.item);
}

function removeFromQueue(photo) {
  const row = rows.get(photo);
  const next = row.item.nextElementSibling || row.item.previousElementSibling;
  const focused = row.item.contains(document.activeElement);
  row.item.remove();
  rows.delete(photo);
  if (focused) (next ? next.querySelector('.queue-pick') : $('choose')).focus();
}

function showInQueue(photo) {
  const row = rows.get(photo);
  if (!row) return;
  const active = isBusy(photo) || photo.state === 'waiting';
  setText(row.state, stateText(photo));
  row.item.dataset.state = photo.state;
  row.bar.hidden = !isBusy(photo) && photo.state !== 'looking';
  setBar(row.bar, percentOf(photo));
  const label = t(active ? 'cancel_photo' : 'remove_photo', {name: photo.name});
  row.stop.setAttribute('aria-label', label);
  row.stop.title = label;
  row.stop.disabled = photo.cancelling;
  row.pick.setAttribute('aria-current', String(photo === selected));
}

// What belongs to all photos together.
function showQueueActions() {
  const open = photos.filter((photo) => canRestore(photo) && (photo.state !== 'done' || settingsChanged(photo)));
  $('restore-all').hidden = open.length < 2;
  setText($('restore-all'), t('restore_all', {count: open.length}));
  $('clear').hidden = photos.length < 2;
}

function restoreAll() {
  for (const photo of photos)
    if (photo.state === 'looking' || (canRestore(photo) && (photo.state !== 'done' || settingsChanged(photo)))) want(photo);
}

function showWork() {
  $('work').hidden = photos.length === 0;
  $('empty').hidden = photos.length > 0;
  showQueueActions();
}

// The elapsed time of what runs.
setInterval(() => { if (selected && isBusy(selected)) showElapsed(selected); }, 100);
