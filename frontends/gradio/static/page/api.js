/** HTTP client for the JSON API. */
import { sendFile } from "./send_file.js";

/** An error response, or an unreachable server (`code` "unreachable", `status` 0). */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {Object} [details]
   * @param {number} [status]
   */
  constructor(code, message, details = {}, status = 0) {
    super(message);
    this.code = code;
    this.details = details;
    this.status = status;
  }
}

/**
 * @param {ApiError} error
 * @returns {boolean} whether the server has refused the request itself: sent again, it is refused again
 */
export function isRefusal(error) {
  return error.status >= 400 && error.status < 500;
}

/**
 * @typedef {Object} Api
 * @property {(path: string, options?: {signal?: AbortSignal}) => Promise<any>} get
 * @property {(path: string, body?: any, options?: {keepalive?: boolean}) => Promise<any>} post
 * @property {(path: string, body?: any) => Promise<any>} patch
 * @property {(path: string, body?: any, options?: {keepalive?: boolean}) => Promise<any>} put
 * @property {(path: string) => Promise<any>} delete
 * @property {(path: string, file: Blob, handlers: import("./send_file.js").Handlers) => Promise<any>} upload
 */

/**
 * The address of one of our paths: relative to the page, which a reverse proxy may serve below a path of its own.
 * @param {string} path e.g. "/api/models"
 * @returns {string}
 */
export function address(path) {
  return `.${path}`;
}

/** @returns {Api} */
export function createApi() {
  return {
    get: (path, options) => call("GET", path, undefined, options),
    post: (path, body, options) => call("POST", path, body, options),
    patch: (path, body) => call("PATCH", path, body),
    put: (path, body, options) => call("PUT", path, body, options),
    delete: (path) => call("DELETE", path),
    upload,
  };
}

async function upload(path, file, handlers) {
  let answer;
  try {
    answer = await sendFile(address(path), file, handlers);
  } catch (problem) {
    throw new ApiError("unreachable", String(problem.message));
  }
  if (answer.told?.imported) return answer.told.imported;
  throw refusal(answer.told, answer.status);
}

async function call(method, path, body, { signal, keepalive } = {}) {
  // The page's language, which may not be the browser's, decides about names and the default model.
  const headers = { Accept: "application/json", "Accept-Language": document.documentElement.lang };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const content = body === undefined ? undefined : JSON.stringify(body);
  let response;
  try {
    response = await fetch(address(path), { method, headers, signal, keepalive, body: content });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new ApiError("unreachable", String(problem.message));
  }
  const text = await response.text();
  const found = parse(text);
  if (response.ok) return found;
  throw refusal(found, response.status);
}

/** Go to the login page if the session has ended: an event stream doesn't tell why it was refused. */
export async function checkSession() {
  await call("GET", "/api/info").catch(() => {}); // a server that can't be reached says nothing about it
}

/** The session has ended: sign in again, then come back. What is typed is kept as a draft. */
function toLogin() {
  const query = location.search.slice(1);
  location.assign(query ? `./login?next=${encodeURIComponent(query)}` : "./login");
}

function refusal(found, status) {
  const error = found?.error ?? {};
  const code = error.code ?? (status === 413 ? "too_large" : "unknown");
  if (code === "not_signed_in") toLogin();
  return new ApiError(code, error.message ?? `HTTP ${status}`, error.details, status);
}

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
