"""The screen of qtap-tui: a view of the engine's log, and nothing that the engine needs.

`app.run` shows a `feed.Feed`. From the bottom up: `text` (the one gate for captured text), `document` (wrapped lines), `bodies`
(ways to show a body), `details` (the tabs), `view` (which rows a filter finds), `widgets`, `screens`, `app`.
"""

from __future__ import annotations

import os

# Textual reads it when it is first imported. What a key changes waits for the next of so many moments a second: at the usual
# 60 up to 17 ms, a third of the time from key to paint. More moments cost nothing while nothing changes.
os.environ.setdefault("TEXTUAL_FPS", "120")
