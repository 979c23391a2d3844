// The latent map on a canvas: colour by kind or perturbation, highlight one perturbation.
if (find("latent-map")) {
  const STEPS = 9999;
  const HUES = ["#3487cc", "#e39a00", "#17a67d", "#d07fb0", "#e0622a", "#6fbdec", "#9679cc", "#ad6c35"];
  const map = find("latent-map");
  const { x, y, aspect, kind, label, kinds, labels } = DATA.latent;
  const [highlight, colour] = [find("latent-highlight"), find("latent-colour")];
  const margin = 14;
  const predicted = kinds.indexOf("predicted");
  const control = kinds.indexOf("control");
  const counts = labels.map(() => 0);
  const hasPrediction = labels.map(() => false);
  for (let index = 0; index < x.length; index++) {
    counts[label[index]] += 1;
    if (kind[index] === predicted) hasPrediction[label[index]] = true;
  }
  // Perturbations that are predicted come first: they are the ones to compare.
  const order = labels
    .map((_, code) => code)
    .filter((code) => labels[code] !== "control")
    .sort((a, b) => hasPrediction[b] - hasPrediction[a] || (labels[a] < labels[b] ? -1 : 1));
  const hue = new Map(order.slice(0, HUES.length).map((code, index) => [code, HUES[index]]));
  const shown = kinds.map(() => true);
  // A fixed shuffle, so that no kind always lies on top of the others.
  const sequence = x.map((_, index) => index).sort((a, b) => scatter(a) - scatter(b));

  function scatter(index) {
    return Math.imul(index + 1, 2654435761) >>> 0;
  }

  function themed(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function kindColours() {
    const known = { control: "--control", observed: "--observed", predicted: "--model" };
    return kinds.map((name) => themed(known[name] ?? "--soft"));
  }

  function place() {
    const width = map.clientWidth;
    const unit = (width - 2 * margin) / STEPS;
    const height = map.clientHeight;
    return { width, height, unit };
  }

  function draw() {
    const ratio = devicePixelRatio || 1;
    map.style.height = `${Math.round((map.clientWidth - 2 * margin) * aspect + 2 * margin)}px`;
    const { width, height, unit } = place();
    map.width = Math.round(width * ratio);
    map.height = Math.round(height * ratio);
    const pen = map.getContext("2d");
    pen.scale(ratio, ratio);
    const colours = kindColours();
    const chosen = highlight.value === "" ? -1 : Number(highlight.value);
    const byLabel = colour.value === "label";
    const radius = x.length > 8000 ? 1.3 : x.length > 2500 ? 1.8 : 2.4;
    const paint = (index, css, size, alpha) => {
      pen.globalAlpha = alpha;
      pen.fillStyle = css;
      pen.beginPath();
      pen.arc(margin + x[index] * unit, height - margin - y[index] * unit, size, 0, 7);
      pen.fill();
    };
    const colourOf = (index) =>
      byLabel ? hue.get(label[index]) ?? colours[control] : colours[kind[index]];
    const back = (index) => (byLabel ? !hue.has(label[index]) : kind[index] === control);
    for (const under of [true, false]) {
      for (const index of sequence) {
        if (!shown[kind[index]] || back(index) !== under) continue;
        if (chosen < 0) paint(index, colourOf(index), radius, under ? 0.5 : 0.65);
        else if (label[index] !== chosen) paint(index, colours[control], radius, 0.16);
      }
    }
    if (chosen < 0) return;
    for (const index of sequence) {
      if (label[index] !== chosen || !shown[kind[index]]) continue;
      paint(index, colours[kind[index]], radius + 1, 0.85);
    }
  }

  function key(css, words) {
    const made = element("span", undefined, "key");
    const swatch = made.appendChild(element("i", undefined, "swatch"));
    swatch.style.setProperty("--swatch", css);
    swatch.style.borderRadius = "50%";
    made.append(words);
    return made;
  }

  function legend() {
    const colours = kindColours();
    const parts = [];
    if (colour.value === "label" && highlight.value === "") {
      for (const [code, css] of hue) parts.push(key(css, labels[code]));
      parts.push(key(colours[control], order.length > hue.size ? "control and all others" : "control"));
    } else {
      kinds.forEach((name, code) => {
        const box = element("label");
        const tick = box.appendChild(element("input"));
        tick.type = "checkbox";
        tick.checked = shown[code];
        tick.addEventListener("change", () => {
          shown[code] = tick.checked;
          draw();
        });
        box.append(key(colours[code], name));
        parts.push(box);
      });
    }
    find("latent-legend").replaceChildren(...parts);
  }

  function refresh() {
    legend();
    draw();
  }

  for (const code of order) {
    const words = hasPrediction[code] ? `${labels[code]} (predicted)` : labels[code];
    const option = element("option", words);
    option.value = String(code);
    highlight.append(option);
  }
  highlight.addEventListener("change", refresh);
  colour.addEventListener("change", refresh);
  matchMedia("screen and (prefers-color-scheme: dark)").addEventListener("change", refresh);
  addEventListener("beforeprint", draw);
  let drawn = map.clientWidth;
  new ResizeObserver(() => {
    if (map.clientWidth === drawn) return;
    drawn = map.clientWidth;
    requestAnimationFrame(draw);
  }).observe(map.parentElement);
  map.addEventListener("pointerleave", hideTip);
  map.addEventListener("pointermove", (event) => {
    const box = map.getBoundingClientRect();
    const { height, unit } = place();
    const at = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = 64;
    for (let index = 0; index < x.length; index++) {
      if (!shown[kind[index]]) continue;
      const across = margin + x[index] * unit - at[0];
      const up = height - margin - y[index] * unit - at[1];
      const distance = across * across + up * up;
      if (distance < least) [least, best] = [distance, index];
    }
    if (best < 0) hideTip();
    else showTip(labels[label[best]], [["kind", kinds[kind[best]]]], event.clientX, event.clientY);
  });
  refresh();
}
