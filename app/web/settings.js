// The settings: what the server has, and what was chosen.
// Keeps what was chosen, where there still is such a choice; else `standard`, else the first.
function fillSelect(select, choices, standard) {
  const chosen = select.options.length ? select.value : standard;
  select.replaceChildren(...choices.map(([value, text]) => el('option', {value}, text)));
  for (const wanted of [standard, chosen]) if (choices.some(([value]) => value === wanted)) select.value = wanted;
  select.disabled = choices.length < 2;
}

const precisionName = (name) => ({fp32: 'FP32', tf32: 'TF32', bf16: 'BF16', fp16: 'FP16', 'fp16-fast': 'FP16 fast'}[name] || name);
const deviceName = (name) => name.replace(/^cpu$/, 'CPU').replace(/^cuda/, 'CUDA');

function fillDevices(device, precision) {
  const devices = (server.devices || []).filter(({error}) => !error), standard = server.default || {};
  fillSelect(device, devices.length === 1 ? [[devices[0].name, deviceName(devices[0].name)]]
    : [['', t('automatic')], ...devices.map(({name}) => [name, deviceName(name)])]);
  const of = devices.find(({name}) => name === (device.value || standard.device)) || devices[0];
  fillSelect(precision, ((of && of.precisions) || []).map((name) => [name, precisionName(name)]), standard.precision);
}

// Shows what GET /api/v1/models said; again when the language changes.
function showServer() {
  if (!server) return;
  const sizes = server.sizes || [], standard = server.default && server.default.size;
  const chosen = Number(document.querySelector('input[name=size]:checked')?.value) || standard;
  $('sizes').replaceChildren(...sizes.map((size) => el('label', {},
    el('input', {type: 'radio', name: 'size', value: size, checked: size === chosen}), el('span', {}, String(size)))));
  fillSelect($('upscale'), [['0', t('upscale_0')], ...(server.upscale || []).filter((factor) => factor > 0)
    .map((factor) => [String(factor), factor === 1 ? t('upscale_1') : t('upscale_n', {factor})])], String((server.default && server.default.upscale) || 0));
  fillDevices($('device'), $('precision'));
  fillSelect($('bench-size'), sizes.map((size) => [String(size), String(size)]));
  fillDevices($('bench-device'), $('bench-precision'));

  const limits = server.limits || {};
  setText($('accepted'), limits.pixels && limits.body_bytes
    ? t('accepted_limits', {megapixels: Math.floor(limits.pixels / 1e6), megabytes: megabytes(limits.body_bytes)}) : t('accepted'));
  setText($('version'), server.version ? `gpen ${server.version}` : 'gpen');
  $('example').hidden = !server.example;
  showNetworkNote();
}

function showNetworkNote() {
  if (!server) return;
  const size = settings().size, networks = server.gpen || [];
  const used = networks.find((network) => network.size === size) || networks[0];
  const note = !used ? t('no_network') : used.trained === false ? t('untrained', {name: used.name}) : '';
  $('network-note').hidden = !note;
  setText($('network-note'), note);
}

// As the server takes them; what is left to the server is left out.
function settings() {
  const all = {
    size: Number(document.querySelector('input[name=size]:checked')?.value) || null,
    lambda_id: Number($('fidelity').value),
    alpha: Number($('alpha').value),
    largest_face: $('largest').checked ? 1 : null,
    upscale: $('upscale').options.length ? Number($('upscale').value) : null,
    device: server && (server.devices || []).length > 1 ? $('device').value : null,
    precision: $('precision').value,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== ''));
}

function showRanges() {
  for (const name of ['fidelity', 'alpha']) setText($(`${name}-value`), Number($(name).value).toFixed(2));
}

function watchSettings() {
  $('options').addEventListener('input', (event) => {
    if (event.target === $('device')) fillDevices($('device'), $('precision'));
    settingsMoved();
  });
  $('options').addEventListener('reset', () => setTimeout(() => {
    const standard = (server && server.default) || {};
    for (const radio of document.querySelectorAll('input[name=size]')) radio.checked = Number(radio.value) === standard.size;
    $('upscale').value = String(standard.upscale || 0);
    $('device').selectedIndex = 0;
    $('precision').replaceChildren();  // filled anew, with the server's own
    showServer();
    settingsMoved();
  }));
  $('options').addEventListener('submit', (event) => event.preventDefault());
  $('bench-device').addEventListener('input', () => fillDevices($('bench-device'), $('bench-precision')));
  showRanges();
}
function settingsMoved() {
  showRanges();
  showNetworkNote();
  for (const photo of photos) showPhoto(photo);
}
