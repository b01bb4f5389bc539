const [verb, ...given] = arguments;

function* roots(root) {
  yield root;
  for (const element of root.querySelectorAll('*')) {
    if (element.shadowRoot) yield* roots(element.shadowRoot);
  }
}

function* elementsOf(root) {
  for (const one of roots(root)) yield* one.querySelectorAll('*');
}

const plain = (text) => (text ?? '').replace(/\s+/g, ' ').trim();

function nameOf(element) {
  if (typeof element.computedName === 'string') return plain(element.computedName);
  const labelled = element.getAttribute('aria-labelledby');
  if (labelled) {
    const root = element.getRootNode();
    return plain(labelled.split(/\s+/).map((id) => root.getElementById?.(id)?.textContent ?? '').join(' '));
  }
  const own = element.getAttribute('aria-label') || [...(element.labels ?? [])].map((label) => label.textContent).join(' ')
    || element.getAttribute('alt') || element.getAttribute('title') || element.getAttribute('placeholder');
  if (own) return plain(own);
  if (element.matches('input[type=submit],input[type=button],input[type=reset]')) return plain(element.value);
  const named = 'a,button,summary,option,th,td,h1,h2,h3,h4,h5,h6,label,legend,caption,'
    + '[role=button],[role=link],[role=tab],[role=menuitem],[role=option],[role=checkbox],[role=radio],[role=heading],[role=cell]';
  return element.matches(named) ? plain(element.textContent) : '';
}

const roleOf = (element) => element.getAttribute('role') || element.computedRole || element.localName;

function byText(root, text) {
  const found = [];
  const holds = (node) => plain(node instanceof HTMLInputElement && ['submit', 'button', 'reset'].includes(node.type)
    ? node.value : node.textContent).includes(text);
  const visit = (node) => {
    let deeper = false;
    const children = [...(node.shadowRoot?.children ?? []), ...(node.children ?? [])];
    for (const child of children) {
      if (['SCRIPT', 'STYLE', 'NOSCRIPT', 'HEAD', 'TEMPLATE'].includes(child.tagName)) continue;
      if (visit(child)) deeper = true;
    }
    if (deeper) return true;
    if (node instanceof Element && holds(node)) { found.push(node); return true; }
    return false;
  };
  visit(root);
  return found;
}

function query(root, part) {
  switch (part.by) {
    case 'css': return [...root.querySelectorAll(part.query)];
    case 'pierce': return [...roots(root)].flatMap((one) => [...one.querySelectorAll(part.query)]);
    case 'text': return byText(root, plain(part.text));
    case 'xpath': {
      const result = document.evaluate(part.query, root, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
      return Array.from({ length: result.snapshotLength }, (_, at) => result.snapshotItem(at)).filter((node) => node instanceof Element);
    }
    case 'aria': {
      const found = [];
      for (const element of elementsOf(root)) {
        if (part.role && roleOf(element) !== part.role) continue;
        if (part.name && nameOf(element) !== part.name) continue;
        found.push(element);
      }
      return found;
    }
  }
  throw new Error('unknown selector kind ' + part.by);
}

function find(path) {
  let scopes = [document];
  for (const part of path) {
    const next = new Set();
    for (const scope of scopes) {
      if (scope.shadowRoot) for (const element of query(scope.shadowRoot, part)) next.add(element);
      for (const element of query(scope, part)) next.add(element);
    }
    scopes = [...next];
  }
  return scopes;
}

function visible(element) {
  const style = getComputedStyle(element);
  if (style.visibility !== 'visible' || style.display === 'none') return false;
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0;
}

function described(element) {
  if (!element) return 'nothing';
  const id = element.id ? '#' + element.id : '';
  const classes = typeof element.className === 'string' && element.className ? '.' + element.className.trim().split(/\s+/).slice(0, 3).join('.') : '';
  return '<' + element.localName + id + classes + '>';
}

function parentOf(node) {
  return node.assignedSlot ?? node.parentNode ?? node.host ?? null;
}

function within(inner, outer) {
  for (let node = inner; node; node = parentOf(node)) if (node === outer) return true;
  return false;
}

function hitAt(x, y) {
  let hit = document.elementFromPoint(x, y);
  while (hit?.shadowRoot) {
    const deeper = hit.shadowRoot.elementFromPoint(x, y);
    if (!deeper || deeper === hit) break;
    hit = deeper;
  }
  return hit;
}

const typed = ['text', 'url', 'tel', 'search', 'password', 'number', 'email'];

function setValue(element, value) {
  const prototype = Object.getPrototypeOf(element);
  const setter = Object.getOwnPropertyDescriptor(prototype, 'value')?.set;
  if (setter) setter.call(element, value); else element.value = value;
  element.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
  element.dispatchEvent(new Event('change', { bubbles: true }));
}

const verbs = {
  // Looks through the alternatives in their order; the first visible element wins.
  locate(alternatives, wantVisible) {
    const missed = [];
    for (const [index, path] of alternatives.entries()) {
      let found;
      try { found = find(path); } catch (error) { missed.push('not valid: ' + error.message); continue; }
      const element = wantVisible ? found.find(visible) : found[0];
      if (element) return { index, element, ready: document.readyState, missed };
      missed.push(found.length ? 'there, but not visible' : 'absent');
    }
    return { missed, ready: document.readyState };
  },

  // Counts what each alternative finds under the conditions of waitForElement.
  count(alternatives, wantVisible, properties, attributes) {
    return alternatives.map((path) => {
      let found;
      try { found = find(path); } catch (error) { return { error: error.message }; }
      const count = found.filter((element) => visible(element) === wantVisible
        && Object.entries(properties).every(([key, value]) => JSON.stringify(element[key]) === JSON.stringify(value))
        && Object.entries(attributes).every(([key, value]) => element.getAttribute(key) === value)).length;
      return { count };
    });
  },

  // Brings a point of the element into view and says what a click there would meet.
  point(element, offsetX, offsetY) {
    if (!element.isConnected) return { gone: true };
    element.scrollIntoViewIfNeeded?.(true);
    for (let view = window; view !== view.top; view = view.parent) {
      let frame = null;
      try { frame = view.frameElement; } catch { /* another origin */ }
      if (!frame) break;
      frame.scrollIntoViewIfNeeded?.(true);
    }
    const place = () => {
      const box = element.getBoundingClientRect();
      const inside = (offset, size) => Math.min(Math.max(offset ?? size / 2, 0), Math.max(size - 1, 0));
      return { x: box.left + inside(offsetX, box.width), y: box.top + inside(offsetY, box.height), box };
    };
    let at = place();
    if (at.x < 0 || at.y < 0 || at.x >= innerWidth || at.y >= innerHeight) {
      window.scrollBy({ left: at.x - innerWidth / 2, top: at.y - innerHeight / 2, behavior: 'instant' });
      at = place();
    }
    const hit = hitAt(at.x, at.y);
    const label = hit?.closest?.('label');
    const meets = !!hit && (within(hit, element) || within(element, hit) || (!!label?.control && label.control === element));
    // Inside a frame the driver counts from the visible middle of the element, not from the frame's corner.
    const first = element.getClientRects()[0] ?? at.box;
    const middle = (low, high, size) => Math.floor((Math.max(0, low) + Math.min(size, high)) / 2);
    return {
      middle: window === top ? null : [middle(first.left, first.right, innerWidth), middle(first.top, first.bottom, innerHeight)],
      x: at.x, y: at.y, meets, by: meets ? '' : described(hit),
      box: [at.box.left, at.box.top, at.box.width, at.box.height].map(Math.round).join(),
      disabled: !!element.disabled, inView: at.x >= 0 && at.y >= 0 && at.x < innerWidth && at.y < innerHeight,
    };
  },

  // Says what kind of form field the element is.
  field(element) {
    const tag = element.localName;
    const kind = tag === 'select' ? 'select'
      : tag === 'textarea' ? 'lines'
      : tag === 'input' ? (typed.includes(element.type) ? 'line' : element.type === 'file' ? 'file' : ['checkbox', 'radio'].includes(element.type) ? 'check' : 'other')
      : element.isContentEditable ? 'content' : 'other';
    return {
      kind, tag, disabled: !!element.disabled, readOnly: !!element.readOnly,
      password: tag === 'input' && element.type === 'password',
      value: kind === 'content' ? element.textContent : kind === 'check' ? String(element.checked) : String(element.value ?? ''),
      options: kind === 'select' ? [...element.options].slice(0, 20).map((option) => option.value) : [],
    };
  },

  // Puts the caret where typing goes on: behind the text, or over all of it.
  ready_to_type(element, replace) {
    element.focus();
    if (element.isContentEditable) {
      const range = document.createRange();
      range.selectNodeContents(element);
      if (!replace) range.collapse(false);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
    } else if (replace) {
      element.select();
    } else {
      try { element.setSelectionRange(element.value.length, element.value.length); } catch { /* number and email fields have no caret to set */ }
    }
    return element.getRootNode().activeElement === element || within(element, document.activeElement);
  },

  erase(element) {
    element.focus();
    if (!element.isContentEditable) element.select();
    document.execCommand('delete');
    return true;
  },

  insert(element, text) {
    return document.execCommand('insertText', false, text);
  },

  set(element, value) {
    if (element.localName === 'select') {
      const option = [...element.options].find((one) => one.value === value);
      if (!option || option.disabled) return false;
      element.focus();
    }
    setValue(element, value);
    return true;
  },

  scroll(element, x, y) {
    const target = element ?? document.scrollingElement ?? document.documentElement;
    if (element) element.scrollIntoViewIfNeeded?.(true);
    if (x !== null) target.scrollLeft = x;
    if (y !== null) target.scrollTop = y;
    return true;
  },

  // A marker that is gone as soon as the window shows another document.
  mark() {
    window.__botswain = (window.__botswain ?? 0) + 1;
    return { marked: window.__botswain, url: location.href };
  },

  state() {
    return { marked: window.__botswain ?? 0, url: location.href, ready: document.readyState };
  },

  read(element, attribute, property) {
    if (attribute !== null) return element.getAttribute(attribute);
    if (property !== null) { const value = element[property]; return value === null || value === undefined ? null : String(value); }
    if (['input', 'textarea', 'select'].includes(element.localName)) return String(element.value);
    return plain(element.innerText ?? element.textContent);
  },

  // Covers password fields and every place where one of the given texts shows, also inside frames and shadow roots.
  cover(secrets) {
    verbs.uncover();
    const places = [];
    const visit = (doc, left, top) => {
      for (const root of roots(doc)) {
        const walker = doc.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          if (node.nodeType === Node.TEXT_NODE) {
            if (!secrets.some((secret) => node.data.includes(secret))) continue;
            const range = doc.createRange();
            range.selectNodeContents(node);
            for (const box of range.getClientRects()) places.push([left + box.left, top + box.top, box.width, box.height]);
            continue;
          }
          const box = node.getBoundingClientRect();
          if (node.localName === 'iframe' || node.localName === 'frame') {
            let inner = null;
            try { inner = node.contentDocument; } catch { /* another origin */ }
            if (inner) visit(inner, left + box.left + node.clientLeft, top + box.top + node.clientTop);
            else if (secrets.length) places.push([left + box.left, top + box.top, box.width, box.height]);
            continue;
          }
          const holds = ['input', 'textarea'].includes(node.localName)
            && (node.type === 'password' || secrets.some((secret) => node.value.includes(secret) || (node.placeholder ?? '').includes(secret)));
          if (holds) places.push([left + box.left, top + box.top, box.width, box.height]);
        }
      }
    };
    visit(document, 0, 0);
    if (!places.length) return 0;
    const layer = document.createElement('div');
    layer.id = 'botswain-cover';
    layer.style.cssText = 'all:initial;position:fixed;inset:0;width:100vw;height:100vh;background:none;border:0;margin:0;padding:0;overflow:visible;pointer-events:none;z-index:2147483647';
    for (const [x, y, width, height] of places) {
      const patch = document.createElement('div');
      patch.style.cssText = `all:initial;position:fixed;background:#000;left:${x}px;top:${y}px;width:${width}px;height:${height}px`;
      layer.append(patch);
    }
    document.documentElement.append(layer);
    // The top layer is above dialogs; where it is missing, the z-index has to do.
    try { layer.popover = 'manual'; layer.showPopover(); } catch { /* stays a plain layer */ }
    return places.length;
  },

  uncover() {
    document.getElementById('botswain-cover')?.remove();
    return true;
  },
};

return verbs[verb](...given);
