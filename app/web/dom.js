// Elements, texts, numbers.
const $ = (id) => document.getElementById(id);

// el('button', {class: 'link', onclick: f}, 'text', child): text is always set as text, never as markup.
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// What the browser remembers: kept in tabs that forbid storage by doing without.
function remembered(storage, name) {
  try { return window[storage].getItem(`gpen.${name}`); } catch { return null; }
}
function remember(storage, name, value) {
  try {
    if (value === null) window[storage].removeItem(`gpen.${name}`);
    else window[storage].setItem(`gpen.${name}`, value);
  } catch { /* private window */ }
}

let language = remembered('localStorage', 'language');
if (!(language in STRINGS)) language = (navigator.language || 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en';

function t(key, values) {
  const text = STRINGS[language][key];
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => String(values[name])) : text;
}
// t() of key_0, key_1 or key_n.
const tCount = (key, count, values) =>
  t(STRINGS.en[`${key}_${count}`] ? `${key}_${count}` : `${key}_n`, {count, ...values});

function showLanguage() {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.title = `gpen · ${t('tagline')}`;
  $('language').value = language;
  for (const node of document.querySelectorAll('[data-t]')) setText(node, t(node.dataset.t));
  for (const node of document.querySelectorAll('[data-t-label]')) {
    node.setAttribute('aria-label', t(node.dataset.tLabel));
    if (node.classList.contains('icon')) node.title = t(node.dataset.tLabel);
  }
}

function formatTime(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return t('seconds', {seconds: seconds.toFixed(1)});
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
const formatMs = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 1)} ms` : t('seconds', {seconds: (ms / 1000).toFixed(2)}));
const megabytes = (bytes) => Math.floor(bytes / 1048576);
const megapixels = (pixels) => Math.round(pixels / 1e5) / 10;

// Spoken by screen readers, not shown.
const announce = (text) => { $('live').textContent = text; };

// A message that stays until it is dismissed.
function alertUser(text) {
  const words = el('span', {}, text);
  const box = el('div', {class: 'alert'}, words,
    el('button', {class: 'icon', type: 'button', 'aria-label': t('dismiss'), onclick: () => box.remove()}, icon('close')));
  const alerts = $('alerts');
  for (const old of alerts.children) if (old.firstChild.textContent === text) { old.remove(); break; }
  alerts.append(box);
  while (alerts.children.length > 4) alerts.firstChild.remove();
}

function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = el('a', {href: url, download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
