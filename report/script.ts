/** What happens in the open report. Text of the study reaches the page through `textContent` only. */
export const script = String.raw`'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);
  const text = (value) =>
    value === undefined ? '' : typeof value === 'number' ? String(Number(value.toPrecision(6))) : typeof value === 'string' ? value : JSON.stringify(value);
  const make = (tag, content) => Object.assign(document.createElement(tag), { textContent: content });

  // Copy, as JSON or YAML.
  const copy = document.getElementById('copy');
  const shownForm = () => document.querySelector('pre:not([hidden])');
  all('input[name=form]').forEach((choice) =>
    choice.addEventListener('change', () => all('.code pre').forEach((pre) => (pre.hidden = pre.id !== 'best-' + choice.value)))
  );
  const byHand = (content) => {
    const area = document.body.appendChild(make('textarea', content));
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) throw new Error('refused');
  };
  let copying;
  copy?.addEventListener('click', async () => {
    const content = shownForm().textContent;
    try {
      await navigator.clipboard.writeText(content).catch(() => byHand(content));
      copy.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(shownForm());
      copy.textContent = 'Selected';
    }
    copy.focus();
    clearTimeout(copying);
    copying = setTimeout(() => (copy.textContent = 'Copy'), 1600);
  });

  // Fates on and off.
  const chart = document.querySelector('.curves');
  all('input[data-fate]').forEach((box) => {
    const apply = () => all('.curves g[data-fate=' + box.dataset.fate + ']').forEach((group) => group.classList.toggle('off', !box.checked));
    box.addEventListener('change', apply);
    apply();
  });

  // One trial lit everywhere.
  const tip = document.getElementById('tip');
  let lit = [];
  const dark = () => {
    lit.forEach((mark) => mark.classList.remove('on'));
    lit = [];
    chart?.classList.remove('lit');
    tip.hidden = true;
  };
  const light = (mark, x, y) => {
    dark();
    const index = Number(mark.dataset.t);
    const trial = data.trials[index];
    if (!trial) return;
    lit = all('[data-t="' + index + '"]');
    lit.forEach((one) => one.classList.add('on'));
    chart?.classList.add('lit');
    const facts = make('dl', '');
    for (const name of data.params) {
      const value = own(trial.config, name);
      if (value !== undefined) facts.append(make('dt', name), make('dd', text(value)));
    }
    // The table has the others.
    for (const name of data.numbers.slice(0, 8)) {
      const value = own(trial.numbers ?? {}, name);
      if (value !== undefined) facts.append(make('dt', name), make('dd', value === null ? 'not finite' : text(value)));
    }
    const value = trial.value === null ? 'no value' : data.metric + ' ' + text(trial.value);
    const lines = [trial.fate + ' after ' + trial.epochs + (trial.epochs === 1 ? ' epoch, ' : ' epochs, ') + value, trial.host === undefined ? '' : trial.time + ', last on ' + trial.host, mark.dataset.p, trial.note];
    tip.replaceChildren(make('b', trial.id), ...lines.filter(Boolean).map((line) => make('p', line)), facts);
    tip.hidden = false;
    const left = x + 16 + tip.offsetWidth > innerWidth ? Math.max(x - 16 - tip.offsetWidth, 4) : x + 16;
    const top = Math.max(Math.min(y + 12, innerHeight - tip.offsetHeight - 8), 4);
    tip.style.transform = 'translate(' + left + 'px,' + top + 'px)';
  };
  const placeOf = (mark) => {
    if (mark.tagName !== 'polyline') {
      const box = mark.getBoundingClientRect();
      return [box.right, box.bottom];
    }
    const end = mark.points.getItem(mark.points.numberOfItems - 1).matrixTransform(mark.getScreenCTM());
    return [end.x, end.y];
  };
  const goTo = (index) => {
    const row = document.querySelector('#table tr[data-r="' + index + '"]');
    if (!row) return;
    dark();
    all('#table tr.found').forEach((one) => one.classList.remove('found'));
    row.hidden = false;
    row.classList.add('found');
    row.scrollIntoView({ block: 'center' });
  };

  // The curve nearest to the pointer.
  let shapes = null;
  const nearest = (event) => {
    shapes ??= all('polyline', chart).map((line) => ({ line, group: line.parentNode, at: line.getAttribute('points').split(' ').map(Number) }));
    const here = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    let best = null;
    let least = 144;
    for (const { line, group, at } of shapes) {
      if (group.classList.contains('off')) continue;
      for (let i = 0; i + 3 < at.length; i += 2) {
        const [ax, ay, bx, by] = [at[i], at[i + 1], at[i + 2], at[i + 3]];
        const [dx, dy] = [bx - ax, by - ay];
        const t = Math.min(Math.max(((here.x - ax) * dx + (here.y - ay) * dy) / (dx * dx + dy * dy || 1), 0), 1);
        const away = (ax + t * dx - here.x) ** 2 + (ay + t * dy - here.y) ** 2;
        if (away < least) [best, least] = [line, away];
      }
    }
    return best;
  };
  const markAt = (event) => (chart && chart.contains(event.target) ? nearest(event) : event.target.closest('[data-t]'));
  all('[data-nav]').forEach((nav) => {
    let current = -1;
    nav.addEventListener('pointermove', (event) => {
      const mark = markAt(event);
      if (mark) light(mark, event.clientX, event.clientY);
      else dark();
    });
    nav.addEventListener('pointerleave', dark);
    nav.addEventListener('click', (event) => {
      const mark = markAt(event);
      if (mark) goTo(mark.dataset.t);
    });
    nav.addEventListener('blur', dark);
    nav.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const marks = all('[data-t]', nav)
        .filter((mark) => !mark.closest('.off'))
        .sort((a, b) => (nav === chart ? a.dataset.t - b.dataset.t : 0));
      if (step && marks.length > 0) {
        current = current < 0 ? (step > 0 ? 0 : marks.length - 1) : (current + step + marks.length) % marks.length;
        light(marks[current], ...placeOf(marks[current]));
        event.preventDefault();
      } else if (event.key === 'Enter' && marks[current]) goTo(marks[current].dataset.t);
    });
  });
  document.addEventListener('keydown', (event) => event.key === 'Escape' && dark());
  for (const moved of ['wheel', 'touchmove']) document.addEventListener(moved, dark, { passive: true });

  // The table: sorts by exact values, absent ones last.
  const body = document.querySelector('#table tbody');
  const keyOf = (index, key) => {
    const trial = data.trials[index];
    if (key === 'id') return index;
    const [kind, place] = key.split(' ');
    const value = kind === 'param' ? own(trial.config, data.params[place]) : kind === 'number' ? own(trial.numbers ?? {}, data.numbers[place]) : trial[key];
    return value === undefined || value === null || value === '' ? null : typeof value === 'number' ? value : text(value);
  };
  const compare = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? -1 : 1);
  all('#table thead th').forEach((head) =>
    head.querySelector('button').addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') !== 'ascending';
      all('#table thead th').forEach((one) => one.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const rows = [...body.rows].map((row) => ({ row, index: Number(row.dataset.r), key: keyOf(Number(row.dataset.r), head.dataset.key) }));
      rows.sort((a, b) => (a.key === null || b.key === null ? (a.key === null) - (b.key === null) : compare(a.key, b.key) * (up ? 1 : -1)) || a.index - b.index);
      body.append(...rows.map(({ row }) => row));
    })
  );
  const filter = document.getElementById('filter');
  filter?.addEventListener('input', () => {
    const wanted = filter.value.trim().toLowerCase();
    let matches = 0;
    for (const row of body.rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      if (!row.hidden) matches++;
    }
    document.getElementById('matches').textContent = matches + (matches === 1 ? ' trial' : ' trials');
  });
})();
`;
