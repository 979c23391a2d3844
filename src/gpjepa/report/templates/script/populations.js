// Show the histograms of one condition at a time.
if (find("condition")) {
  const select = find("condition");
  const blocks = [...document.querySelectorAll(".condition")];
  const choose = () => {
    for (const block of blocks) block.hidden = block.dataset.condition !== select.value;
  };
  select.addEventListener("change", choose);
  choose();
}
