/** Limits how often something that changes all the time is drawn. */

/**
 * @param {() => void} run
 * @param {number} pauseMs
 * @returns {() => void} runs `run` at once, but at most every `pauseMs`; a call in between runs it when that has passed
 */
export function throttled(run, pauseMs) {
  let isPaused = false;
  let isWanted = false;

  function start() {
    isPaused = true;
    isWanted = false;
    run();
    setTimeout(() => {
      isPaused = false;
      if (isWanted) start();
    }, pauseMs);
  }

  return () => {
    if (isPaused) isWanted = true;
    else start();
  };
}
