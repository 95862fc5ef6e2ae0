
// Two predictions of an image on top of each other, parted by a slider. Without this
// script nothing is missing: both stand side by side.
for (const sample of document.querySelectorAll(".sample")) {
  const shown = ["teacher", "student"].map(
    (role) => sample.querySelector(`[data-slides="${role}"]`));
  if (shown.includes(null)) continue;
  const stack = document.createElement("div");
  stack.className = "stack";
  for (const figure of shown) stack.append(figure.querySelector("img").cloneNode());
  const range = document.createElement("input");
  const [left, right] = shown.map((figure) => figure.dataset.label);
  range.type = "range";
  range.setAttribute("aria-label", `${left} on the left, ${right} on the right`);
  range.addEventListener("input", () =>
    stack.style.setProperty("--cut", `${range.value}%`));
  const caption = document.createElement("figcaption");
  caption.textContent = `${left} | ${right}: move the slider`;
  const slider = document.createElement("figure");
  slider.className = "slider";
  slider.append(stack, range, caption);
  sample.querySelector(".panels").before(slider);
  sample.classList.add("compared");
}
