/** English texts of accounts. */
export const enAccount = {
  "error.not_signed_in": "You are not signed in any more. Sign in again; your text is kept.",
  "error.wrong_password": "The user name or the password is wrong.",
  "error.weak_password": "Use at least 8 characters that are hard to guess, such as several words that don't belong together.",
  "error.not_allowed": "You may not do this. Ask an administrator.",
  "error.too_many_attempts": "Too many wrong attempts. Try again in {retry_after_s} seconds.",
  "error.user_not_found": "This account doesn't exist.",
  "error.session_not_found": "This session has ended already.",
  "error.api_key_not_found": "This API key has been revoked already.",
  "error.link_not_found": "This link was used already, has expired or was withdrawn. Ask an administrator for a new one.",
  "error.username_taken": "There is an account with this user name already. Choose another one.",
  "error.last_administrator": "This is the only administrator. Make somebody else an administrator first.",
  "error.passcode_needed": "This conversation is shared with a passcode. Ask whoever sent you the link.",
  "error.share_not_found": "This link has expired or was withdrawn.",
};
