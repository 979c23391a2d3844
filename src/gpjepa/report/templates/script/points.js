// Name the point under the pointer, or the one reached with the arrow keys, in every scatter.
{
  const REACH = 14; // pixels of the figure

  function nearest(points, x, y) {
    let best = -1;
    let least = REACH * REACH;
    for (let index = 0; index < points.x.length; index++) {
      const distance = (points.x[index] - x) ** 2 + (points.y[index] - y) ** 2;
      if (distance < least) {
        least = distance;
        best = index;
      }
    }
    return best;
  }

  function ringOf(picture) {
    let ring = picture.querySelector(".ring");
    if (!ring) {
      ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      ring.setAttribute("class", "ring");
      ring.setAttribute("r", "6");
      picture.append(ring);
    }
    return ring;
  }

  function show(picture, points, index) {
    const ring = ringOf(picture);
    if (index < 0) {
      ring.setAttribute("visibility", "hidden");
      hideTip();
      return;
    }
    ring.setAttribute("visibility", "visible");
    ring.setAttribute("cx", points.x[index]);
    ring.setAttribute("cy", points.y[index]);
    const box = picture.getBoundingClientRect();
    const unit = box.width / picture.viewBox.baseVal.width;
    const rows = Object.entries(points.columns).map(([name, values]) => {
      const value = values[index];
      return [name, typeof value === "string" ? value : number(value)];
    });
    const [x, y] = [box.left + points.x[index] * unit, box.top + points.y[index] * unit];
    showTip(points.label[index], rows, x, y);
  }

  function watch(picture) {
    const points = DATA.points[picture.dataset.points];
    let reached = -1;
    const follow = (event) => {
      const box = picture.getBoundingClientRect();
      const unit = box.width / picture.viewBox.baseVal.width;
      const x = (event.clientX - box.left) / unit;
      const y = (event.clientY - box.top) / unit;
      show(picture, points, nearest(points, x, y));
    };
    picture.addEventListener("pointermove", follow);
    picture.addEventListener("pointerdown", follow);
    picture.addEventListener("pointerleave", () => show(picture, points, -1));
    picture.addEventListener("blur", () => show(picture, points, -1));
    picture.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || !points.x.length) return;
      event.preventDefault();
      reached = (reached + step + points.x.length) % points.x.length;
      show(picture, points, reached);
    });
  }

  document.querySelectorAll("svg[data-points]").forEach(watch);
}
