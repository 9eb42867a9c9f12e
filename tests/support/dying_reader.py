"""In place of ``app.chat.transfer.reading``: begins a conversation and is killed."""

import os
import signal
import sys

sys.stdout.write('{"skipped": {"reason": "broken", "name": "", "title": ""}}\n')
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
