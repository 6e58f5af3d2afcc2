// The photos and what becomes of them:
//
//   looking -> ready -> waiting -> uploading -> queued -> running -> fetching -> done
//                \______________________________________________________________> failed, cancelled
//
// The photos wait here, not at the server: at most kAtOnce are sent, so that one page does not fill everyone's queue.
const kAtOnce = 2;
const photos = [];
let selected = null;
let lastId = 0;
let server = null;  // GET /api/v1/models

const isBusy = (photo) => ['uploading', 'queued', 'running', 'fetching'].includes(photo.state);
const canRestore = (photo) => !isBusy(photo) && !['waiting', 'looking'].includes(photo.state) && facesOn(photo).length > 0;

function largestFace(photo) {
  const area = ({box}) => (box[2] - box[0]) * (box[3] - box[1]);
  return photo.faces.reduce((best, face, i) => (best < 0 || area(face) > area(photo.faces[best]) ? i : best), -1);
}
// Indices of the faces that would be restored.
function facesOn(photo) {
  if (!photo.faces || !photo.faces.length) return [];
  if (settings().largest_face) return [largestFace(photo)];
  return photo.faces.map((_, i) => i).filter((i) => !photo.off.has(i));
}

// What is sent with a photo, as text: two equal ones give equal results.
function optionsOf(photo) {
  const {largest_face: largest, ...rest} = settings();
  const options = {...rest};
  if (photo.given) options.faces = photo.given;
  if (largest) options.largest_face = 1;
  else if (photo.off.size) options.exclude = [...photo.off].sort((a, b) => a - b).join(',');
  return options;
}
const settingsChanged = (photo) => photo.sent !== null && photo.sent !== JSON.stringify(optionsOf(photo));

function setState(photo, state, more) {
  Object.assign(photo, {error: null}, more, {state});
  showPhoto(photo);
  pump();
}

const kMagic = [[0x89, 0x50, 0x4e, 0x47], [0xff, 0xd8, 0xff], [0x42, 0x4d]];
async function isPicture(file) {  // a folder that was dropped is none either
  const head = new Uint8Array(await file.slice(0, 4).arrayBuffer().catch(() => new ArrayBuffer(0)));
  return kMagic.some((magic) => magic.every((byte, i) => head[i] === byte));
}

function loadImage(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = url;
  });
}

// Takes files in; those that are no pictures, or too large for the server, are named. given: faces to use instead of
// detection ({faces, width, height} as text), for the example.
async function addFiles(files, given) {
  const limits = (server && server.limits) || {};
  for (const file of files) {
    const name = file.name;
    if (!(await isPicture(file))) { alertUser(t('not_a_picture', {name})); continue; }
    if (limits.body_bytes && file.size > limits.body_bytes - 65536) {
      alertUser(t('too_many_bytes', {name, megabytes: megabytes(limits.body_bytes)}));
      continue;
    }
    const url = URL.createObjectURL(file);
    let image;
    try {
      image = await loadImage(url);
    } catch {
      URL.revokeObjectURL(url);
      alertUser(t('cannot_open', {name}));
      continue;
    }
    const width = image.naturalWidth, height = image.naturalHeight;
    if (limits.pixels && width * height > limits.pixels) {
      URL.revokeObjectURL(url);
      alertUser(t('too_many_pixels', {name, megapixels: megapixels(width * height), limit: megapixels(limits.pixels)}));
      continue;
    }
    const photo = {
      id: ++lastId, file, name, url, image, width, height, given: given || null, state: 'looking', faces: null, off: new Set(),
      showFaces: true, wanted: false, sent: null, job: null, result: null, error: null, cancelling: false, since: 0,
    };
    photos.push(photo);
    addToQueue(photo);
    if (!selected || photos.length === 1) select(photo);
    showWork();
    look(photo);
  }
}

let looking = Promise.resolve();  // one search after the other
function look(photo) {
  setState(photo, 'looking', {faces: null, off: new Set(), busy: false});
  looking = looking.then(async () => {
    if (photo.removed) return;
    try {
      const found = photo.given ? JSON.parse(photo.given)
        : await patiently(photo, () => detect(photo.file), () => photo.removed);
      if (!found) return;
      photo.faces = found.faces;
      setState(photo, 'ready');
      announce(`${photo.name}: ${tCount('s_ready', photo.faces.length)}`);
    } catch (error) {
      fail(photo, error);
    }
  });
}

function fail(photo, error) {
  photo.wanted = false;
  setState(photo, 'failed', {error, cancelling: false});
  announce(`${photo.name}: ${t('s_failed')}. ${error.message}`);
}

// Asks for the photo to be restored, now or as soon as its faces are known.
function want(photo) {
  if (photo.state === 'failed' && !photo.faces) { look(photo); return; }
  photo.wanted = true;
  if (canRestore(photo)) setState(photo, 'waiting');
}

// Sends what waits, as far as there is room.
function pump() {
  for (const photo of photos) {
    if (photo.wanted && photo.state === 'ready') {
      if (facesOn(photo).length) photo.state = 'waiting';
      else photo.wanted = false;
      showPhoto(photo);
    }
    if (photo.state === 'waiting' && photos.filter(isBusy).length < kAtOnce) restore(photo);
  }
}

async function restore(photo) {
  const options = optionsOf(photo);
  forgetJob(photo);
  photo.wanted = false;
  setState(photo, 'uploading', {sent: JSON.stringify(options), since: performance.now(), busy: false});
  try {
    let job = await patiently(photo, () => submit(photo.file, options), () => photo.cancelling);
    if (!job) { setState(photo, 'cancelled', {cancelling: false}); return; }
    photo.job = job;
    if (photo.cancelling) cancelJob(job.id);
    job = await followJob(job.id, (news) => {
      photo.job = news;
      if (!isOver(news)) setState(photo, news.state);
    });
    if (job.state === 'done' && !photo.removed) await finish(photo, job);
    else if (job.state === 'cancelled') setState(photo, 'cancelled', {cancelling: false});
    else if (job.state === 'failed') fail(photo, new ApiError(job.error.code, job.error.message, 0));
  } catch (error) {
    if (photo.cancelling) setState(photo, 'cancelled', {cancelling: false});
    else fail(photo, error);
  }
}

// A full queue is waited for. Null: given up meanwhile.
async function patiently(photo, send, givenUp) {
  while (!givenUp()) {
    try {
      return await send();
    } catch (error) {
      if (error.status !== 503 || error.code !== 'busy') throw error;
      if (!givenUp()) setState(photo, photo.state, {busy: true});
      for (let waited = 0; waited < error.retryAfter * 1000 && !givenUp(); waited += 200) await pause(200);
    }
  }
  return null;
}

async function finish(photo, job) {
  setState(photo, 'fetching');
  const blob = await (await jobResult(job.id, 'png')).blob();
  const url = URL.createObjectURL(blob);
  const image = await loadImage(url);
  dropResult(photo);
  photo.result = {blob, url, width: image.naturalWidth, height: image.naturalHeight};
  setState(photo, 'done', {cancelling: false, showFaces: false});
  announce(`${photo.name}: ${doneText(photo)}`);
}
const doneText = (photo) => tCount('s_done', photo.job.faces ? photo.job.faces.length : facesOn(photo).length,
  {time: formatTime(photo.job.elapsed_ms)});

function cancel(photo) {
  photo.wanted = false;
  if (photo.state === 'waiting') setState(photo, 'cancelled');
  if (!isBusy(photo)) return;
  photo.cancelling = true;
  showPhoto(photo);
  if (photo.job) cancelJob(photo.job.id);
}

function dropResult(photo) {
  if (photo.result) URL.revokeObjectURL(photo.result.url);
  photo.result = null;
}

// Lets the server forget a job that is over, or stop one that is not.
function forgetJob(photo, keepalive) {
  if (photo.job) cancelJob(photo.job.id, keepalive);
  photo.job = null;
}

function remove(photo) {
  cancel(photo);
  photo.removed = true;
  forgetJob(photo);
  dropResult(photo);
  URL.revokeObjectURL(photo.url);
  const index = photos.indexOf(photo);
  photos.splice(index, 1);
  removeFromQueue(photo);
  if (selected === photo) select(photos[Math.min(index, photos.length - 1)] || null);
  showWork();
  pump();
}

async function download(photo, format) {
  const name = `${photo.name.replace(/\.[^.]*$/, '')}_restored.${format}`;
  if (format === 'png') { saveAs(photo.result.blob, name); return; }
  const quality = $('quality');
  if (!quality.reportValidity() || !quality.value) { alertUser(t('bad_quality')); return; }
  try {
    saveAs(await (await jobResult(photo.job.id, 'jpg', quality.value)).blob(), name);
  } catch (error) {
    alertUser(error.status === 404 ? t('expired') : error.message);
  }
}
