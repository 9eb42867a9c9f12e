/** Chinese texts of accounts. */
export const zhAccount = {
  "error.not_signed_in": "登录已失效。请重新登录，您的文字已保留。",
  "error.wrong_password": "用户名或密码错误。",
  "error.weak_password": "密码至少需要 8 个字符且不易被猜到，例如几个互不相关的词语。",
  "error.not_allowed": "您没有此操作的权限，请联系管理员。",
  "error.too_many_attempts": "错误次数过多，请在 {retry_after_s} 秒后重试。",
  "error.user_not_found": "该账号不存在。",
  "error.session_not_found": "该会话已结束。",
  "error.api_key_not_found": "该 API 密钥已被吊销。",
  "error.link_not_found": "此链接已使用、已过期或已撤回，请向管理员索取新链接。",
  "error.username_taken": "该用户名已被使用，请换一个。",
  "error.last_administrator": "这是唯一的管理员，请先指定另一位管理员。",
  "error.passcode_needed": "此对话需要口令才能查看，请向发送链接的人索取。",
  "error.share_not_found": "此链接已过期或已撤回。",
};
