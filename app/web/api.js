// Talks to the server this page came from.
class ApiError extends Error {
  constructor(code, message, status, retryAfter) {
    super(message);
    Object.assign(this, {code, status, retryAfter});
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let apiKey = remembered('sessionStorage', 'key');
let askedForKey = null;  // the promise of the dialog, while it is open

// Asks for the key once, however many requests wait for it. Resolves to false when the user gives up.
function askForKey() {
  if (askedForKey) return askedForKey;
  const dialog = $('key-dialog');
  setText($('key-text'), t(apiKey ? 'key_wrong' : 'key_text'));
  $('key').value = '';
  askedForKey = new Promise((resolve) => {
    const close = (entered) => {
      dialog.close();
      $('key-form').onsubmit = $('key-cancel').onclick = dialog.oncancel = null;
      askedForKey = null;
      resolve(entered);
    };
    $('key-form').onsubmit = (event) => {
      event.preventDefault();
      apiKey = $('key').value.trim();
      remember('sessionStorage', 'key', apiKey);
      close(true);
    };
    $('key-cancel').onclick = () => close(false);
    dialog.oncancel = (event) => { event.preventDefault(); close(false); };
  });
  dialog.showModal();
  return askedForKey;
}

async function errorOf(response) {
  let error = {};
  try { error = (await response.json()).error || {}; } catch { /* not ours: the status has to do */ }
  return new ApiError(error.code || 'internal', error.message || `HTTP ${response.status}`, response.status,
    Number(response.headers.get('Retry-After')) || 1);
}

// The response of a request that succeeded; throws ApiError otherwise.
async function request(path, options) {
  for (;;) {
    const key = apiKey;
    let response;
    try {
      response = await fetch(path, {...options, cache: 'no-store', headers: key ? {Authorization: `Bearer ${key}`} : {}});
    } catch (error) {
      throw error.name === 'AbortError' ? error : new ApiError('offline', t('no_server'), 0, 1);
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    if (response.status !== 401) throw error;
    if (key === apiKey && !(await askForKey())) throw error;  // another request may have got a new key meanwhile
  }
}
const requestJson = async (path, options) => (await request(path, options)).json();

function photoForm(file, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  form.append('image', file, file.name);
  return form;
}
const detect = (file) => requestJson('/api/v1/detect', {method: 'POST', body: photoForm(file, {})});
const submit = (file, options) =>
  requestJson('/api/v1/restore', {method: 'POST', body: photoForm(file, {...options, wait: 0})});
const submitBenchmark = (options) =>
  requestJson('/api/v1/benchmark', {method: 'POST', body: new Blob([JSON.stringify(options)], {type: 'application/json'})});
// A job that is gone already needs no cancelling.
const cancelJob = (id, keepalive) =>
  request(`/api/v1/jobs/${id}`, {method: 'DELETE', keepalive: Boolean(keepalive)}).catch(() => {});
const jobResult = (id, format, quality) =>
  request(`/api/v1/jobs/${id}/result?format=${format}${quality ? `&quality=${quality}` : ''}`);

const isOver = (job) => ['done', 'failed', 'cancelled'].includes(job.state);

// Calls onUpdate(job) at every news of a job until it is over; resolves to its last state. The server's events bring
// the news; where they do not arrive (a proxy that holds them back), the job is asked for.
function followJob(id, onUpdate) {
  return new Promise((resolve, reject) => {
    let heard = Date.now(), failures = 0, asking = false, over = false, timer = 0;
    const key = apiKey ? `?key=${encodeURIComponent(apiKey)}` : '';
    let source = window.EventSource ? new EventSource(`/api/v1/jobs/${id}/events${key}`) : null;
    const stop = () => {
      over = true;
      clearInterval(timer);
      if (source) source.close();
    };
    const see = (job) => {
      if (over) return;
      heard = Date.now();
      failures = 0;
      onUpdate(job);
      if (isOver(job)) {
        stop();
        resolve(job);
      }
    };
    const ask = async () => {
      if (asking || over) return;
      asking = true;
      try {
        see(await requestJson(`/api/v1/jobs/${id}`));
      } catch (error) {
        if (++failures > 5 || error.status === 404) {
          stop();
          reject(error);
        }
      }
      asking = false;
    };
    if (source) {
      const news = (event) => {
        try { see(JSON.parse(event.data)); } catch { ask(); }
      };
      source.addEventListener('progress', news);
      source.addEventListener('end', news);
      source.onerror = () => {
        source.close();
        source = null;
        ask();
      };
    }
    timer = setInterval(() => { if (Date.now() - heard > (source ? 4000 : 400)) ask(); }, 500);
  });
}
