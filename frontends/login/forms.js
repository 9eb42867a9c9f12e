/** The forms of the login page, drawn in one language. */

let fields = 0;

/**
 * @param {string} tag
 * @param {Object} attributes
 * @param {...(Node|string)} children
 */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function field(label, attributes) {
  const id = `field-${(fields += 1)}`;
  const input = element("input", { id, ...attributes });
  return { input, parts: [element("label", { for: id }, label), input] };
}

function passwordField(t, label, autocomplete) {
  const { input, parts } = field(label, { type: "password", name: "password", autocomplete, required: true });
  const toggle = element("input", {
    type: "checkbox",
    onchange: () => (input.type = toggle.checked ? "text" : "password"),
  });
  return { input, parts: [...parts, element("label", { class: "show" }, toggle, t("show"))] };
}

/**
 * @typedef {Object} Problem
 * @property {string} problem the sentence to show
 * @property {string} field the name of the field to correct
 */

/**
 * A form that sends itself once at a time, and says what was wrong.
 * @param {Object} of
 * @param {string} of.title
 * @param {(Node|string)[]} of.content
 * @param {string} of.action the button's text
 * @param {() => Promise<Problem|null>} of.send null after success
 */
function form({ title, content, action, send }) {
  const problem = element("p", { role: "alert", class: "problem" });
  const button = element("button", { type: "submit", class: "primary" }, action);
  const onsubmit = async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    problem.textContent = "";
    const found = await send();
    button.disabled = found === null;
    problem.textContent = found?.problem ?? "";
    if (!found) return;
    const { [found.field]: input } = event.target.elements;
    input.focus();
    input.select();
  };
  return element("form", { onsubmit }, element("h1", {}, title), ...content, problem, button);
}

/**
 * @param {(key: string, values?: Object) => string} t
 * @param {Object} typed what was typed already, and is again
 * @param {{name: string, address: string}|null} elsewhere a service to sign in at
 * @param {(values: {username: string, password: string}) => Promise<Problem|null>} send
 */
export function signInForm(t, typed, elsewhere, send) {
  const username = field(t("username"), usernameAttributes(typed.username));
  const password = passwordField(t, t("password"), "current-password");
  keep(typed, { username: username.input, password: password.input });
  return form({
    title: t("sign_in"),
    content: [...(elsewhere ? signInElsewhere(t, elsewhere) : []), ...username.parts, ...password.parts],
    action: t("sign_in"),
    send: () => send({ username: username.input.value, password: password.input.value }),
  });
}

function signInElsewhere(t, { name, address }) {
  const link = element("a", { class: "primary", href: address }, t("sign_in_with", { name }));
  return [link, element("p", { class: "advice or" }, t("or"))];
}

/** The same for a one-time link: `purpose` is what the server says of it. */
export function linkForm(t, typed, purpose, send) {
  return purpose.kind === "reset" ? resetForm(t, typed, purpose, send) : invitationForm(t, typed, purpose, send);
}

function invitationForm(t, typed, purpose, send) {
  const username = field(t("username"), usernameAttributes(typed.username));
  const name = field(t("name"), { name: "name", autocomplete: "name", maxlength: 100, value: typed.name ?? "" });
  const password = passwordField(t, t("password"), "new-password");
  keep(typed, { username: username.input, name: name.input, password: password.input });
  const role = t(`role_${purpose.role}`);
  return form({
    title: t("invited"),
    content: [
      element("p", {}, t("invited_as", { role })),
      ...[username, name, password].flatMap(({ parts }) => parts),
      element("p", { class: "advice" }, t("advice")),
    ],
    action: t("make"),
    send: () => send({ username: username.input.value, name: name.input.value, password: password.input.value }),
  });
}

function resetForm(t, typed, purpose, send) {
  const username = { name: "username", autocomplete: "username", value: purpose.username, type: "text", hidden: true };
  const password = passwordField(t, t("new_password"), "new-password");
  keep(typed, { password: password.input });
  return form({
    title: t("reset"),
    content: [
      element("p", {}, t("reset_for", { username: purpose.username })),
      element("input", username), // for password managers
      ...password.parts,
      element("p", { class: "advice" }, t("advice")),
    ],
    action: t("set"),
    send: () => send({ password: password.input.value }),
  });
}

/**
 * Instead of a form: a sentence, and the way to sign in.
 * @param {(key: string) => string} t
 * @param {string} sentence
 * @param {() => void} signIn
 */
export function sentenceWithWayOut(t, sentence, signIn) {
  const button = element("button", { type: "button", class: "primary", onclick: signIn }, t("to_sign_in"));
  return element("form", {}, element("p", { role: "alert" }, sentence), button);
}

function usernameAttributes(value = "") {
  return {
    name: "username",
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 64,
    required: true,
    value,
  };
}

/** Keep what is typed when the language changes. */
function keep(typed, inputs) {
  for (const [name, input] of Object.entries(inputs)) {
    if (typed[name]) input.value = typed[name];
    input.addEventListener("input", () => (typed[name] = input.value));
  }
}
