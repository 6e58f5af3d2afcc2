// Puts the parts together.
function showView() {
  const benchmark = location.hash === '#benchmark';
  $('view-benchmark').hidden = !benchmark;
  $('view-restore').hidden = benchmark;
  for (const [id, current] of [['to-restore', !benchmark], ['to-benchmark', benchmark]]) {
    if (current) $(id).setAttribute('aria-current', 'page');
    else $(id).removeAttribute('aria-current');
  }
  layOut();
}

function chooseLanguage(chosen) {
  language = chosen;
  remember('localStorage', 'language', chosen);
  showLanguage();
  showServer();
  showMeasured();
  for (const photo of photos) showPhoto(photo);
}

const choosePhotos = () => $('file').click();

async function openExample() {
  $('example').disabled = true;
  try {
    const {image, faces, name} = server.example;
    const blob = await (await request(image)).blob();
    const given = faces ? await (await request(faces)).text() : null;
    await addFiles([new File([blob], name || 'example.jpg', {type: blob.type})], given);
  } catch (error) {
    alertUser(t('no_example', {reason: error.message}));
  }
  $('example').disabled = false;
}

// Files come from the dialog, by dropping them anywhere on the page, and from the clipboard.
function watchFiles() {
  $('choose').addEventListener('click', choosePhotos);
  $('add').addEventListener('click', choosePhotos);
  $('drop').addEventListener('click', (event) => { if (!event.target.closest('button')) choosePhotos(); });
  $('file').addEventListener('change', () => {
    const files = [...$('file').files];
    $('file').value = '';  // so that the same file can be chosen again
    addFiles(files);
  });
  $('example').addEventListener('click', openExample);

  let depth = 0;  // dragenter and dragleave come for every element on the way
  const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
  const veil = (on) => document.body.classList.toggle('dropping', on);
  window.addEventListener('dragenter', (event) => { if (carriesFiles(event)) veil(++depth > 0); });
  window.addEventListener('dragleave', (event) => { if (carriesFiles(event)) veil(--depth > 0); });
  window.addEventListener('dragover', (event) => { if (carriesFiles(event)) event.preventDefault(); });
  window.addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    veil((depth = 0) > 0);
    location.hash = '#restore';
    addFiles([...event.dataTransfer.files]);
  });
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData ? event.clipboardData.files : [])];
    if (!files.length) return;
    event.preventDefault();
    location.hash = '#restore';
    addFiles(files);
  });
}

function watchActions() {
  $('restore').addEventListener('click', () => want(selected));
  $('cancel').addEventListener('click', () => cancel(selected));
  $('restore-all').addEventListener('click', restoreAll);
  $('clear').addEventListener('click', () => { for (const photo of [...photos]) remove(photo); });
  $('save-png').addEventListener('click', () => download(selected, 'png'));
  $('save-jpg').addEventListener('click', () => download(selected, 'jpg'));
  $('faces-all').addEventListener('click', () => switchAll(selected, true));
  $('faces-none').addEventListener('click', () => switchAll(selected, false));
  $('faces').addEventListener('keydown', moveBetweenFaces);
  $('show-faces').addEventListener('change', () => {
    selected.showFaces = $('show-faces').checked;
    showResult(selected);
  });
  $('zoom-in').addEventListener('click', () => zoomBy(1.5));
  $('zoom-out').addEventListener('click', () => zoomBy(1 / 1.5));
  $('zoom-fit').addEventListener('click', zoomToFit);
  $('language').addEventListener('change', () => chooseLanguage($('language').value));
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault();
    $('main').focus();
  });
}

// Nobody would ever see the results of jobs that outlive the page.
function stopAll() {
  if (benchJob) cancelJob(benchJob, true);
  for (const photo of photos) forgetJob(photo, true);
}

async function start() {
  showLanguage();
  setText($('accepted'), t('accepted'));
  watchFiles();
  watchActions();
  watchViewer();
  watchSettings();
  watchBenchmark();
  window.addEventListener('hashchange', showView);
  window.addEventListener('pagehide', (event) => { if (!event.persisted) stopAll(); });
  showView();
  for (;;) {
    try {
      server = await requestJson('/api/v1/models');
      break;
    } catch (error) {
      if (error.status !== 503 && error.code !== 'offline') { alertUser(error.message); return; }
      await pause(2000);  // still loading its networks
    }
  }
  showServer();
  for (const photo of photos) showPhoto(photo);
}
start();
