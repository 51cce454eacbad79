// Fills in the time zone that the browser says, where nobody has chosen one. Without it the field stays empty.
const field = document.getElementById("timezone");
if (field && field.value === "") {
  try {
    field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  } catch {
    // A browser that does not say: the reader can.
  }
}
