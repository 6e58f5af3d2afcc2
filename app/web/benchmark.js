// The benchmark view: one measurement at a time, the results of this visit in a table.
const measured = [];
let benchJob = null;  // id of the one that runs

async function measure(event) {
  event.preventDefault();
  const options = {size: Number($('bench-size').value), batch: Number($('bench-batch').value), reps: Number($('bench-reps').value)};
  if ($('bench-device').value && server.devices.length > 1) options.device = $('bench-device').value;
  if ($('bench-precision').value) options.precision = $('bench-precision').value;

  const began = performance.now();
  const state = $('bench-state');
  state.classList.remove('bad');
  const tick = setInterval(() => setText(state, t('bench_running', {time: formatTime(performance.now() - began)})), 100);
  showMeasuring(true);
  try {
    benchJob = (await submitBenchmark(options)).id;
    const job = await followJob(benchJob, (news) => setBar($('bench-bar'), news.percent > 0 ? news.percent : null));
    clearInterval(tick);
    if (job.state === 'done') {
      measured.unshift(job.benchmark);
      showMeasured();
      setText(state, t('bench_done', {time: formatTime(performance.now() - began)}));
    } else if (job.state === 'cancelled') {
      setText(state, t('s_cancelled'));
    } else {
      throw new ApiError(job.error.code, job.error.message, 0);
    }
  } catch (error) {
    clearInterval(tick);
    state.classList.add('bad');
    setText(state, error.message);
  }
  benchJob = null;
  showMeasuring(false);
}

function showMeasuring(running) {
  $('bench-run').disabled = running;
  $('bench-cancel').hidden = $('bench-bar').hidden = !running;
  setBar($('bench-bar'), null);
}

function showMeasured() {
  const slowest = Math.max(...measured.map((result) => result.per_face_ms));
  $('bench-rows').replaceChildren(...measured.map((result) => {
    const bar = el('span', {class: 'hbar'});
    bar.style.width = `${100 * result.per_face_ms / slowest}%`;
    const cell = (label, text, type) => el('td', {class: type, 'data-label': t(label)}, text);
    return el('tr', {}, el('th', {scope: 'row'}, result.network), cell('device', deviceName(result.device)),
      cell('precision', precisionName(result.precision)), cell('batch', String(result.batch), 'number'),
      ...[['fastest', 'min_ms'], ['median', 'median_ms'], ['per_face', 'per_face_ms']]
        .map(([label, name]) => cell(label, formatMs(result[name]), 'number')),
      el('td', {class: 'bars', 'aria-hidden': 'true'}, bar));
  }));
  $('bench-results').hidden = measured.length === 0;
}

function watchBenchmark() {
  $('bench').addEventListener('submit', measure);
  $('bench-cancel').addEventListener('click', () => { if (benchJob) cancelJob(benchJob); });
}
