// Paint the rows of the chosen perturbation; every text was written when the page was made.
{
  const choice = find("choice");
  const rows = [...document.querySelectorAll("table.board tbody tr")];

  function paintCell(cell, mark, [text, sign, small, best, place, title, partial]) {
    cell.classList.toggle("best", best === 1);
    cell.querySelector(".value").textContent = text;
    cell.querySelector(".versus").textContent = sign;
    cell.querySelector(".partial").textContent = partial;
    cell.querySelector(".interval").textContent = small;
    cell.title = title;
    mark.hidden = place === null;
    if (place !== null) mark.style.left = `${place}%`;
  }

  function paintRow(row, [cells, floor, ceiling, skill, undefinedCount, n, track]) {
    const scores = row.querySelectorAll(".score");
    const marks = row.querySelectorAll(".mark");
    cells.forEach((cell, index) => paintCell(scores[index], marks[index], cell));
    row.querySelector(".track").classList.toggle("none", track === 0);
    row.querySelector(".floor").textContent = floor;
    row.querySelector(".ceiling").textContent = ceiling;
    row.querySelector(".skill").textContent = skill;
    row.querySelector(".undefined").textContent = undefinedCount;
    row.querySelector(".n").textContent = n;
  }

  choice.addEventListener("change", () => {
    DATA.scoreboard[choice.value].forEach((painted, index) => paintRow(rows[index], painted));
  });
}
