// The options: remembered in this browser, and sent with each batch.

const REMEMBERED = "double-resolution options";

function optionsOf(form, changed) {
  const fields = [...form.elements].filter(({ name }) => name);
  const value = (field) => (field.type === "checkbox" ? field.checked : field.type === "range" ? Number(field.value) : field.value);
  const read = () => Object.fromEntries(fields.filter((field) => field.type !== "radio" || field.checked).map((field) => [field.name, value(field)]));
  const show = () => (form.querySelector("output").value = form.elements.quality.value);
  const set = (values) => {
    for (const field of fields) {
      if (!(field.name in values)) continue;
      const wanted = values[field.name], isWanted = ({ value }) => value === wanted;
      if (field.type === "checkbox") field.checked = wanted === true;
      else if (field.type === "radio") field.checked ||= isWanted(field); // the browser unchecks the others
      else if (field.type === "range" ? typeof wanted === "number" : [...field.options].some(isWanted)) field.value = wanted;
    }
    show();
  };
  form.addEventListener("input", () => {
    remember(REMEMBERED, JSON.stringify(read()));
    show();
    changed();
  });
  form.addEventListener("reset", () => {
    unremember(REMEMBERED);
    setTimeout(() => (show(), changed())); // after the form has its defaults again
  });
  try { set(JSON.parse(recalled(REMEMBERED)) ?? {}); } catch {} // not JSON, or of another version
  return { read };
}
