/** Words of the login page, in both languages. */

export const TEXTS = {
  en: {
    language: "中文",
    language_label: "Switch to Chinese",
    sign_in: "Sign in",
    sign_in_with: "Sign in with {name}",
    or: "or",
    signing_in: "Signing in…",
    username: "User name",
    password: "Password",
    new_password: "New password",
    name: "Your name (optional)",
    show: "Show password",
    invited: "Make your account",
    invited_as: "You were invited as {role}.",
    role_admin: "an administrator",
    role_member: "a member",
    role_guest: "a guest",
    make: "Make account",
    reset: "Set a new password",
    reset_for: "For the account {username}. You will be signed out everywhere else.",
    set: "Set password",
    advice: "At least 8 characters that are hard to guess; several words are easy to remember.",
    to_sign_in: "To the sign-in page",
    wrong_password: "The user name or the password is wrong.",
    weak_password: "Choose at least 8 characters that are hard to guess, such as several words that don't belong together.",
    too_many_attempts: "Too many wrong attempts. Try again in {retry_after_s} seconds.",
    too_many_requests: "Too many requests at once. Try again in {retry_after_s} seconds.",
    username_taken: "There is an account with this user name already. Choose another one.",
    link_not_found: "This link was used already, has expired or was withdrawn. Ask an administrator for a new one.",
    invalid_request: "A user name has 1 to 64 characters and no spaces.",
    unreachable: "The server can't be reached. Is it still running?",
    unknown: "Something went wrong. Try again in a moment.",
  },
  zh: {
    language: "English",
    language_label: "切换到英文",
    sign_in: "登录",
    sign_in_with: "使用 {name} 登录",
    or: "或",
    signing_in: "正在登录…",
    username: "用户名",
    password: "密码",
    new_password: "新密码",
    name: "姓名（选填）",
    show: "显示密码",
    invited: "创建账号",
    invited_as: "你受邀成为{role}。",
    role_admin: "管理员",
    role_member: "成员",
    role_guest: "访客",
    make: "创建账号",
    reset: "设置新密码",
    reset_for: "账号：{username}。设置后，其他设备上的登录将全部失效。",
    set: "设置密码",
    advice: "至少 8 个字符且不易被猜到；几个词语组合起来既安全又好记。",
    to_sign_in: "前往登录页",
    wrong_password: "用户名或密码错误。",
    weak_password: "密码至少需要 8 个字符且不易被猜到，例如几个互不相关的词语。",
    too_many_attempts: "错误次数过多，请在 {retry_after_s} 秒后重试。",
    too_many_requests: "请求过于频繁，请在 {retry_after_s} 秒后重试。",
    username_taken: "该用户名已被使用，请换一个。",
    link_not_found: "此链接已使用、已过期或已撤回，请向管理员索取新链接。",
    invalid_request: "用户名为 1 至 64 个字符，不能包含空格。",
    unreachable: "无法连接服务器，请确认它正在运行。",
    unknown: "出错了，请稍后再试。",
  },
};

const KEY = "parley.language"; // the page's too

/** @returns {"en"|"zh"} the language that was chosen on the page, or else the browser's */
export function preferredLanguage() {
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // The browser stores nothing.
  }
  if (chosen in TEXTS) return chosen;
  return (navigator.languages?.[0] ?? "en").startsWith("zh") ? "zh" : "en";
}

/** @param {"en"|"zh"} language */
export function rememberLanguage(language) {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // The browser stores nothing.
  }
}

/**
 * @param {string} language
 * @param {string} key
 * @param {Object} [values] for the fields in braces
 * @returns {string}
 */
export function text(language, key, values = {}) {
  const found = TEXTS[language][key] ?? TEXTS[language].unknown;
  return found.replace(/\{(\w+)\}/g, (field, name) => values[name] ?? field);
}
