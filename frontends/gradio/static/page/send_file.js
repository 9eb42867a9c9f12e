/** Sends a file and reads an answer that comes as lines of JSON. `fetch` does not tell how much it has sent. */

/**
 * @typedef {Object} Handlers
 * @property {(share: number) => void} onSent how much of the file has been sent, 0 to 1
 * @property {(told: Object) => void} onProgress a line of progress: `{conversations, messages}`
 */

/**
 * @param {string} url
 * @param {Blob} file
 * @param {Handlers} handlers
 * @returns {Promise<{status: number, told: Object|null}>} with the last line; rejects when the connection fails
 */
export function sendFile(url, file, { onSent, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/x-ndjson, application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", ({ loaded, total }) => onSent(total ? loaded / total : 1));
    request.addEventListener("progress", () => {
      const told = lastOf(request.responseText.split("\n").slice(0, -1)); // the last one may not have come whole
      if (told && "messages" in told) onProgress(told);
    });
    for (const name of ["error", "abort"]) {
      request.addEventListener(name, () => reject(new Error("The connection failed.")));
    }
    request.addEventListener("load", () => {
      resolve({ status: request.status, told: lastOf(request.responseText.trim().split("\n")) });
    });
    request.send(file);
  });
}

function lastOf(lines) {
  try {
    return JSON.parse(lines.at(-1) ?? "null");
  } catch {
    return null;
  }
}
